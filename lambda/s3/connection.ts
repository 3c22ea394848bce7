import type { S3Client } from '@aws-sdk/client-s3';
import { isDeepStrictEqual } from 'node:util';
import { maxSockets } from '../settings/settings.ts';
import { type Settings } from '../settings/table.ts';
import { type Endpoint, createClient, reachOf, endpointsOf } from './client/endpoint.ts';
import { Gauge, type Peaks } from './client/gauge.ts';
import { RequestCounter, type Requests } from './client/request-counter.ts';
import { CappedRequestHandler } from './client/request-handler.ts';
import { TIMEOUTS, type Timeouts } from './client/timeouts.ts';
import { S3Store } from './s3-store.ts';

export interface ConnectionOptions {
  settings: Settings;
  /** Of both sides, where the settings say nothing else. */
  region?: string | undefined;
  endpointUrl?: string | undefined;
  /** PEM of a certificate authority to trust besides those that Node does. */
  ca?: string;
  timeouts?: Partial<Timeouts>;
}

/** The way to S3: a client a side, one capped agent, and what is counted on it. Made once in a process. */
export interface Connection {
  /** Of the destination. */
  store: S3Store;
  /** Of the source. The same where nothing sets the two apart. */
  raw: S3Store;
  client: S3Client;
  gauge: Gauge;
  /** Requests since the last call, to both sides. */
  takeRequests(): Requests;
  close(): void;
}

export type { Peaks, Requests };

export function connect({
  settings,
  region,
  endpointUrl,
  ca,
  timeouts: given,
}: ConnectionOptions): Connection {
  const timeouts = { ...TIMEOUTS, ...given };
  const gauge = new Gauge();
  const counter = new RequestCounter();
  const handler = new CappedRequestHandler({ maxSockets: maxSockets(settings), gauge, ca, timeouts });
  const open = (side: Endpoint): { store: S3Store; client: S3Client } => {
    const { client, pace } = createClient(side, { handler, counter, timeouts });
    const path = { client, handler, counter, pace, timeouts };
    return { client, store: new S3Store(path, { attributes: settings, reach: reachOf(side) }) };
  };
  const { source, destination } = endpointsOf(settings, { region, endpointUrl });
  const to = open(destination);
  const from = isDeepStrictEqual(source, destination) ? to : open(source);
  return {
    store: to.store,
    raw: from.store,
    client: to.client,
    gauge,
    takeRequests: () => counter.take(),
    close: () => {
      // Of the one agent too.
      to.client.destroy();
      from.client.destroy();
    },
  };
}
