import { S3Client } from '@aws-sdk/client-s3';
import { Gauge, type Peaks } from '../gauge.ts';
import { type Settings, maxSockets } from '../settings.ts';
import { RequestCounter, type Requests } from './requests.ts';
import { leavePayloadUnsigned } from './middleware.ts';
import { PacedRetryStrategy } from './retry.ts';
import { CappedRequestHandler } from './request-handler.ts';
import { S3Store } from './s3-store.ts';
import { TIMEOUTS, type Timeouts } from './timeouts.ts';

export interface ConnectionOptions {
  settings: Settings;
  /** Otherwise `AWS_REGION`, or the profile's. */
  region?: string | undefined;
  /** Otherwise `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or S3's own. One that is given is addressed by path. */
  endpointUrl?: string | undefined;
  /** PEM of a certificate authority to trust besides those that Node does. */
  ca?: string;
  timeouts?: Partial<Timeouts>;
}

/** The way to S3: one client, one capped agent, and what is counted on it. Made once in a process. */
export interface Connection {
  store: S3Store;
  client: S3Client;
  gauge: Gauge;
  /** Requests since the last call. */
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
  const endpoint = endpointUrl ?? process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'];
  const timeouts = { ...TIMEOUTS, ...given };
  const gauge = new Gauge();
  const pace = new PacedRetryStrategy(timeouts.retries);
  const handler = new CappedRequestHandler({ maxSockets: maxSockets(settings), gauge, ca, timeouts });
  const client = new S3Client({
    retryStrategy: pace,
    requestHandler: handler,
    // Bodies are checked as they land; the SDK's own check of CRC-64/NVME is JavaScript and costs more than TLS.
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: true,
    // The pause that it asks for would be one for every part.
    expectContinueHeader: false,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined
      ? {}
      : { endpoint, forcePathStyle: true, region: region ?? environmentRegion() }),
  });
  const counter = new RequestCounter();
  counter.watch(client);
  leavePayloadUnsigned(client);
  return {
    client,
    gauge,
    store: new S3Store({ client, handler, counter, pace, timeouts }),
    takeRequests: () => counter.take(),
    close: () => {
      client.destroy();
    },
  };
}

/** Other endpoints than S3's own mostly know no regions, but a signature names one. */
function environmentRegion(): string {
  const { AWS_REGION: region = '' } = process.env;
  return region === '' ? 'us-east-1' : region;
}
