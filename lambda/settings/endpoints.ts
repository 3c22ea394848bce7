import { z } from 'zod';
import { choice, text } from './value-types.ts';
import { group, row } from './row.ts';

const region = text(z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be a region such as eu-west-1'));
const endpointUrl = text(
  z.url({ protocol: /^https?$/, error: 'must be a URL such as http://127.0.0.1:9000' }),
);
const profile = text(z.string().regex(/^[^\s[\]]+( [^\s[\]]+)*$/, 'must be the name of a profile'));
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
const roleArn = text(
  z.string().regex(/^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/, 'must be the ARN of a role'),
);

// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html
const externalId = text(
  z
    .string()
    .regex(
      /^[\w+=,.@:/-]{2,1224}$/,
      'must be an external id: 2 to 1,224 letters, digits and + = , . @ : / -',
    ),
);
const accountId = text(z.string().regex(/^\d{12}$/, 'must be the 12 digits of an account'));

/** The rows of the source, or of the destination. */
function endpointRows(
  name: 'source' | 'destination',
  example: { region: string; port: number; profile: string; account: string },
) {
  return {
    /** @defaultValue the region of the run: `--region` or `AWS_REGION` */
    region: row(region, {
      default: undefined,
      description: `region of the ${name}, where it is another`,
      value: '<region>',
      example: example.region,
    }),
    /** @defaultValue the endpoint of the run: `--endpoint-url`, `AWS_ENDPOINT_URL_S3`, or S3's own */
    endpointUrl: row(endpointUrl, {
      default: undefined,
      description: `endpoint of the ${name}, where it is another`,
      value: '<url>',
      example: `http://127.0.0.1:${example.port}`,
    }),
    /** @defaultValue the credentials that the SDK finds by itself */
    profile: row(profile, {
      default: undefined,
      description: `profile whose credentials reach the ${name}`,
      value: '<name>',
      example: example.profile,
      only: 'command line',
    }),
    /** @defaultValue no role: the credentials are used themselves */
    roleArn: row(roleArn, {
      default: undefined,
      description: `role to assume for the ${name}`,
      value: '<arn>',
      example: `arn:aws:iam::${example.account}:role/logs`,
    }),
    /** @defaultValue none is sent */
    externalId: row(externalId, {
      default: undefined,
      description: `external id that the role of the ${name} asks for`,
      value: '<id>',
      example: 'log-rollup',
    }),
    /**
     * S3 refuses every request to a bucket of another account.
     * https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
     *
     * @defaultValue any account
     */
    expectedBucketOwner: row(accountId, {
      default: undefined,
      description: `account that the bucket of the ${name} must belong to; otherwise S3 refuses`,
      value: '<id>',
      example: example.account,
    }),
  };
}

const source = endpointRows('source', {
  region: 'us-east-1',
  port: 9000,
  profile: 'raw',
  account: '111122223333',
});
const destination = endpointRows('destination', {
  region: 'eu-west-1',
  port: 9001,
  profile: 'archive',
  account: '444455556666',
});

/**
 * Settings of source and destination that are reached in different ways. None has a default: without one, both are
 * reached by the region, endpoint and credentials of the run.
 */
export const sides = group('Source and destination apart:', {
  sourceRegion: source.region,
  sourceEndpointUrl: source.endpointUrl,
  sourceProfile: source.profile,
  sourceRoleArn: source.roleArn,
  sourceExternalId: source.externalId,
  sourceExpectedBucketOwner: source.expectedBucketOwner,
  destinationRegion: destination.region,
  destinationEndpointUrl: destination.endpointUrl,
  destinationProfile: destination.profile,
  destinationRoleArn: destination.roleArn,
  destinationExternalId: destination.externalId,
  destinationExpectedBucketOwner: destination.expectedBucketOwner,
  /**
   * Confirms that the requester pays, for buckets that ask for it; others take no notice.
   * https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html
   *
   * @defaultValue requests to such buckets are refused
   */
  requestPayer: row(choice(['requester']), {
    default: undefined,
    description: 'who pays for requests to buckets whose requester pays',
    value: '<payer>',
    example: 'requester',
  }),
});
