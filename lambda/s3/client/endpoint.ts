import { S3Client } from '@aws-sdk/client-s3';
import type { Settings } from '../../settings/table.ts';
import { leavePayloadUnsigned } from './middleware.ts';
import type { RequestCounter } from './request-counter.ts';
import type { CappedRequestHandler } from './request-handler.ts';
import { PacedRetryStrategy } from './retry.ts';
import type { Timeouts } from './timeouts.ts';

/** How one side of a rollup is reached. */
export interface Endpoint {
  /** Otherwise `AWS_REGION`, or the profile's. */
  region: string | undefined;
  /** Otherwise `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or S3's own. One that is given is addressed by path. */
  endpointUrl: string | undefined;
  /** A profile of the AWS configuration files. Otherwise the SDK's usual way to credentials. */
  profile: string | undefined;
  /** A role to assume, with the credentials that there would be without it. */
  roleArn: string | undefined;
}

/** What is not said of a side is what is said of both. */
export function endpointsOf(
  settings: Settings,
  both: Partial<Pick<Endpoint, 'region' | 'endpointUrl'>>,
): { source: Endpoint; destination: Endpoint } {
  const source: Endpoint = {
    region: settings.sourceRegion ?? both.region,
    endpointUrl: settings.sourceEndpointUrl ?? both.endpointUrl,
    profile: settings.sourceProfile,
    roleArn: settings.sourceRoleArn,
  };
  const destination: Endpoint = {
    region: settings.destinationRegion ?? both.region,
    endpointUrl: settings.destinationEndpointUrl ?? both.endpointUrl,
    profile: settings.destinationProfile,
    roleArn: settings.destinationRoleArn,
  };
  return { source, destination };
}

/**
 * Endpoints of one reach are of one owner's view of S3: asked on one of them, S3 copies from the other, also from another
 * region.
 */
export function reachOf({ endpointUrl, profile, roleArn }: Endpoint): string {
  return JSON.stringify([endpointUrl, profile, roleArn]);
}

export interface ClientOptions {
  handler: CappedRequestHandler;
  counter: RequestCounter;
  timeouts: Timeouts;
}

export function createClient(
  side: Endpoint,
  { handler, counter, timeouts }: ClientOptions,
): { client: S3Client; pace: PacedRetryStrategy } {
  const { region, endpointUrl, profile, roleArn } = side;
  const endpoint = endpointUrl ?? process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'];
  const pace = new PacedRetryStrategy(timeouts.retries);
  const client = new S3Client({
    retryStrategy: pace,
    requestHandler: handler,
    // Bodies are checked as they readInto; the SDK's own check of CRC-64/NVME is JavaScript and costs more than TLS.
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: true,
    // The pause that it asks for would be one for every part.
    expectContinueHeader: false,
    ...(profile === undefined ? {} : { profile }),
    ...(profile === undefined && roleArn === undefined ? {} : { credentials: credentialsOf(side) }),
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined
      ? {}
      : { endpoint, forcePathStyle: true, region: region ?? environmentRegion() }),
  });
  counter.watch(client);
  leavePayloadUnsigned(client);
  return { client, pace };
}

type Credentials = Extract<
  NonNullable<ConstructorParameters<typeof S3Client>[0]>['credentials'],
  (...given: never[]) => unknown
>;

/** Loads what knows profiles and roles, which most runs do without, when credentials are first asked for. */
function credentialsOf(side: Endpoint): Credentials {
  let found: Promise<Credentials> | undefined;
  return async (properties) => {
    found ??= import('./credentials.ts').then(({ findCredentials }) => findCredentials(side));
    return (await found)(properties);
  };
}

/** Other endpoints than S3's own mostly know no regions, but a signature names one. */
function environmentRegion(): string {
  const { AWS_REGION: region = '' } = process.env;
  return region === '' ? 'us-east-1' : region;
}
