import type { S3Client } from '@aws-sdk/client-s3';
import { isDeepStrictEqual } from 'node:util';
import { RollupError } from '../errors.ts';
import { maxSockets } from '../settings/settings.ts';
import { type Settings } from '../settings/table.ts';
import {
  type Endpoint,
  bucketHeaders,
  createClient,
  endpointsOf,
  isConfiguredElsewhere,
  reachOf,
  serviceOf,
} from './client/endpoint.ts';
import { Gauge, type Peaks } from './client/gauge.ts';
import { RequestCounter, type Requests } from './client/request-counter.ts';
import { CappedRequestHandler } from './client/request-handler.ts';
import { TIMEOUTS, type Timeouts } from './client/timeouts.ts';
import { regionAdvice } from './errors.ts';
import { S3Store } from './s3-store.ts';

/** Options of `connect`. */
export interface ConnectionOptions {
  settings: Settings;
  /**
   * Region of source and destination, where the settings give none.
   *
   * @defaultValue `AWS_REGION`, or that of the profile
   */
  region?: string | undefined;
  /**
   * URL of source and destination, where the settings give none.
   *
   * @defaultValue `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or S3's own
   */
  endpointUrl?: string | undefined;
  /**
   * PEM of the certificate authority to trust.
   *
   * @defaultValue those that Node trusts
   */
  ca?: string;
  /** @defaultValue `TIMEOUTS`, and the settings' `retryOutageSeconds` */
  timeouts?: Partial<Timeouts>;
  /**
   * True if bodies of objects are read over connections that the agent lends, past Node's HTTP client.
   *
   * @defaultValue true, except where a proxy is configured
   */
  lends?: boolean;
}

/** Stores, clients and counters over one capped agent. Made once in a process. */
export interface Connection {
  /** The store of the destination. */
  store: S3Store;
  /** The store of the source: the same object where both have one endpoint. */
  raw: S3Store;
  /** The SDK's client of the destination. */
  client: S3Client;
  gauge: Gauge;
  /** The number of requests to both endpoints since the last call of `takeRequests`. */
  countRequests(): Requests;
  /** The number of requests to both endpoints since the last call. */
  takeRequests(): Requests;
  /** Throws `NoRegion` if the region of a side is not known: no request could be sent. */
  requireRegions(): Promise<void>;
  /** Ends the clients and their agent. */
  close(): void;
}

export type { Peaks, Requests };

/** Creates the clients of source and destination. Nothing is sent yet. */
export function connect({
  settings,
  region,
  endpointUrl,
  ca,
  timeouts: given,
  lends,
}: ConnectionOptions): Connection {
  // Whoever asks for shorter retries means those of outages too.
  const outage = Math.min(settings.retryOutageSeconds * 1000, given?.retries ?? Infinity);
  const timeouts = { ...TIMEOUTS, outage, ...given };
  const gauge = new Gauge();
  const counter = new RequestCounter();
  const handler = new CappedRequestHandler({ maxSockets: maxSockets(settings), gauge, ca, timeouts, lends });
  const { source, destination } = endpointsOf(settings, { region, endpointUrl });
  const copySourceOwner = source.expectedBucketOwner;
  const open = (endpoint: Endpoint): { store: S3Store; client: S3Client } => {
    const { client, pace } = createClient(endpoint, { handler, counter, timeouts, copySourceOwner });
    const path = { client, handler, counter, pace, timeouts, headers: bucketHeaders(endpoint) };
    let elsewhere: Promise<boolean> | undefined;
    const options = {
      attributes: settings,
      reach: reachOf(endpoint),
      service: serviceOf(endpoint),
      // Asked before every output is written.
      isElsewhere: () => (elsewhere ??= isConfiguredElsewhere(endpoint, client)),
    };
    return { client, store: S3Store.over(path, options) };
  };
  const to = open(destination);
  const from = isDeepStrictEqual(source, destination) ? to : open(source);
  return {
    store: to.store,
    raw: from.store,
    client: to.client,
    gauge,
    countRequests: () => counter.counts,
    takeRequests: () => counter.take(),
    requireRegions: async () => {
      for (const { client } of [to, from]) await requireRegion(client);
    },
    close: () => {
      // Either one destroys the agent that they share.
      to.client.destroy();
      from.client.destroy();
    },
  };
}

async function requireRegion(client: S3Client): Promise<void> {
  try {
    await client.config.region();
  } catch (cause) {
    throw new RollupError('NoRegion', `The region is not known. ${regionAdvice()}.`, { cause });
  }
}
