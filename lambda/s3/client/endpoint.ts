import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getEndpointFromInstructions } from '@smithy/core/endpoints';
import type { Settings } from '../../settings/table.ts';
import { addHeaders, leavePayloadUnsigned } from './middleware.ts';
import type { RequestCounter } from './request-counter.ts';
import type { CappedRequestHandler } from './request-handler.ts';
import { PacedRetryStrategy } from './retry.ts';
import type { Timeouts } from './timeouts.ts';

/** Address and credentials of the source or the destination. */
export interface Endpoint {
  /** @defaultValue `AWS_REGION`, or that of the profile */
  region: string | undefined;
  /**
   * URL of an endpoint, which is addressed by path: `http://127.0.0.1:9000/bucket/key`.
   *
   * @defaultValue `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or S3's own
   */
  endpointUrl: string | undefined;
  /**
   * A profile of the AWS configuration files.
   *
   * @defaultValue the credentials that the SDK finds by itself
   */
  profile: string | undefined;
  /** ARN of a role to assume, with the credentials of the profile or those that the SDK finds. */
  roleArn: string | undefined;
  /** The external id that the role asks for. */
  externalId: string | undefined;
  /** Account that the bucket must belong to. */
  expectedBucketOwner: string | undefined;
  /** Who pays for requests to a bucket whose requester pays. */
  requestPayer: 'requester' | undefined;
}

/** Headers of every request to an endpoint: conditions on the bucket. */
export function bucketHeaders({
  expectedBucketOwner,
  requestPayer,
}: Pick<Endpoint, 'expectedBucketOwner' | 'requestPayer'>): Record<string, string> {
  return {
    ...(expectedBucketOwner === undefined ? {} : { 'x-amz-expected-bucket-owner': expectedBucketOwner }),
    ...(requestPayer === undefined ? {} : { 'x-amz-request-payer': requestPayer }),
  };
}

/** The endpoints of source and destination. `both` is for a region or URL that the settings do not give. */
export function endpointsOf(
  settings: Settings,
  both: Partial<Pick<Endpoint, 'region' | 'endpointUrl'>>,
): { source: Endpoint; destination: Endpoint } {
  const source: Endpoint = {
    region: settings.sourceRegion ?? both.region,
    endpointUrl: settings.sourceEndpointUrl ?? both.endpointUrl,
    profile: settings.sourceProfile,
    roleArn: settings.sourceRoleArn,
    externalId: settings.sourceExternalId,
    expectedBucketOwner: settings.sourceExpectedBucketOwner,
    requestPayer: settings.requestPayer,
  };
  const destination: Endpoint = {
    region: settings.destinationRegion ?? both.region,
    endpointUrl: settings.destinationEndpointUrl ?? both.endpointUrl,
    profile: settings.destinationProfile,
    roleArn: settings.destinationRoleArn,
    externalId: settings.destinationExternalId,
    expectedBucketOwner: settings.destinationExpectedBucketOwner,
    requestPayer: settings.requestPayer,
  };
  return { source, destination };
}

/**
 * A value that two endpoints share if S3 copies between them on one request: they have the same URL and credentials. Their
 * regions may differ.
 */
export function reachOf({
  endpointUrl,
  profile,
  roleArn,
  externalId,
  expectedBucketOwner,
}: Endpoint): string {
  // A copy also looks at its source through the client of the destination, which asks for the owner of that bucket.
  return JSON.stringify([endpointUrl, profile, roleArn, externalId, expectedBucketOwner]);
}

/** URL of the endpoint that is used; undefined for Amazon S3's own. */
export function serviceOf({ endpointUrl }: Endpoint): string | undefined {
  return endpointUrl ?? process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'];
}

/**
 * True if the AWS configuration files name an endpoint (`endpoint_url`), which the SDK takes where `serviceOf` gives none. What
 * cannot be read of them may name one.
 */
export async function isConfiguredElsewhere(endpoint: Endpoint, client: S3Client): Promise<boolean> {
  if (serviceOf(endpoint) !== undefined) return false;
  const config = { ...client.config };
  try {
    await getEndpointFromInstructions({ Bucket: 'bucket', Key: 'key' }, GetObjectCommand, config);
    return config.isCustomEndpoint === true;
  } catch {
    return true;
  }
}

/** Objects that the clients of both endpoints share. */
export interface ClientOptions {
  handler: CappedRequestHandler;
  counter: RequestCounter;
  timeouts: Timeouts;
  /** Account that the bucket which is copied from must belong to. */
  copySourceOwner?: string | undefined;
}

/** Creates the SDK's client of an endpoint, and the strategy that paces its requests. */
export function createClient(
  address: Endpoint,
  { handler, counter, timeouts, copySourceOwner }: ClientOptions,
): { client: S3Client; pace: PacedRetryStrategy } {
  const { region, profile, roleArn } = address;
  const endpoint = serviceOf(address);
  const pace = new PacedRetryStrategy(timeouts);
  const client = new S3Client({
    retryStrategy: pace,
    requestHandler: handler,
    // Bodies are checked where they are read; the SDK's own check of CRC-64/NVME is JavaScript and costs more than TLS.
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: true,
    // An access point may be of another region than the client: its ARN says so.
    useArnRegion: true,
    // Waiting for `100 Continue` would cost a round trip for every part.
    expectContinueHeader: false,
    ...(profile === undefined ? {} : { profile }),
    ...(profile === undefined && roleArn === undefined ? {} : { credentials: credentialsOf(address) }),
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined
      ? {}
      : { endpoint, forcePathStyle: true, region: region ?? environmentRegion() }),
  });
  counter.watch(client);
  leavePayloadUnsigned(client);
  addHeaders(client, bucketHeaders(address), copySourceOwner);
  return { client, pace };
}

type Credentials = Extract<
  NonNullable<ConstructorParameters<typeof S3Client>[0]>['credentials'],
  (...given: never[]) => unknown
>;

/** Loads the module of profiles and roles, which most runs do without, when credentials are first needed. */
function credentialsOf(address: Endpoint): Credentials {
  let found: Promise<Credentials> | undefined;
  return async (properties) => {
    found ??= import('./credentials.ts').then(({ findCredentials }) => findCredentials(address));
    return (await found)(properties);
  };
}

/** A region for endpoints other than S3's own: most of them have none, but a signature must name one. */
function environmentRegion(): string {
  const { AWS_REGION: region = '' } = process.env;
  return region === '' ? 'us-east-1' : region;
}
