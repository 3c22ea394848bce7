import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { afterAll } from 'vitest';
import { z } from 'zod';
import { parseContext } from '../../lib/config/context.ts';
import { LogRollupStack } from '../../lib/log-rollup-stack.ts';

const cdkJson = z.object({ context: z.record(z.string(), z.unknown()) });

/** The context of cdk.json, with values that override it. */
export function appContext(own: Record<string, unknown> = {}): Record<string, unknown> {
  const text = readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8');
  return { ...cdkJson.parse(JSON.parse(text)).context, ...own };
}

const assemblies = mkdtempSync(join(tmpdir(), 's3-log-rollup-apps-'));
afterAll(() => {
  rmSync(assemblies, { recursive: true });
});

/**
 * An app whose output folder is deleted after the tests: CDK would leave one an app. CDK's own validation of templates, which
 * takes longer than all else of a synthesis, is left out but where a test asks for it.
 */
export function createApp(
  context: Record<string, unknown> = {},
  { validates = false }: { validates?: boolean } = {},
): App {
  const outdir = mkdtempSync(join(assemblies, 'app-'));
  return new App({ context, outdir, builtinCloudFormationValidation: validates });
}

/** Code in place of a bundle, so that a synthesis is fast. */
export function inlineCode(): Code {
  return Code.fromInline('exports.handler = async () => {}');
}

export function createStack(own: Record<string, unknown> = {}): { app: App; stack: LogRollupStack } {
  const context = appContext(own);
  const app = createApp(context);
  const settings = parseContext(context);
  return { app, stack: new LogRollupStack(app, settings.stackName, { settings, code: inlineCode() }) };
}

const templates = new Map<string, Template>();

/** The template of a stack with this context: synthesised once a test file, since tests only read it. */
export function synthesize(own: Record<string, unknown> = {}): Template {
  const name = JSON.stringify(own);
  const template = templates.get(name) ?? Template.fromStack(createStack(own).stack);
  templates.set(name, template);
  return template;
}

/** Deployments by name, for tests of each. Every context value is in at least one of them. */
export const DEPLOYMENTS: Record<string, Record<string, unknown>> = {
  'no context': {},
  'existing bucket': {
    rawBucketName: 'application-logs',
    streams: [
      { name: 'checkout', source: 's3://application-logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/' },
      { name: 'search', minute: 25 },
    ],
    alarmTopicArn: 'arn:aws:sns:eu-central-1:111122223333:on-call',
    runbookUrl: 'https://example.com/docs/runbook.md',
    tracing: true,
  },
  'two existing buckets with keys': {
    stackName: 'LogRollup-prod',
    rawBucketName: 'application-logs',
    rawRoot: '',
    rawKmsKeyArn: 'arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555',
    aggregatedBucketName: 'application-logs-aggregated',
    aggregatedRoot: 'logs/',
    aggregatedKmsKeyArn: 'arn:aws:kms:eu-central-1:444455556666:key/66666666-7777-8888-9999-000000000000',
    targetSize: '64MiB',
    partSize: '16MiB',
    concurrency: 32,
    outputsInFlight: 2,
    retryOutageSeconds: 30,
    newline: 'none',
    sourceFormat: 'gzip',
    codec: 'zstd',
    headerLines: 2,
    level: 9,
    graceSeconds: 120,
    lookBackHours: 6,
    deleteSource: true,
    successMarker: true,
    symlinkManifest: true,
    filters: [{ exclude: '*' }, { include: '*.log' }],
    groupBy: '^([^/]+)/',
  },
  'outputs with attributes': {
    rawBucketName: 'application-logs',
    storageClass: 'STANDARD_IA',
    tags: { team: 'logs', stage: 'prod' },
    kmsKeyId: 'arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555',
    contentType: 'application/x-ndjson',
    contentEncoding: 'gzip',
    acl: 'bucket-owner-full-control',
  },
  'a source of another account and region': {
    rawBucketName: 'application-logs',
    rawKmsKeyArn: 'arn:aws:kms:us-east-1:444455556666:key/66666666-7777-8888-9999-000000000000',
    aggregatedBucketName: 'application-logs-aggregated',
    aggregatedKmsKeyArn: 'arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555',
    sourceRegion: 'us-east-1',
    sourceEndpointUrl: 'https://bucket.vpce-0123456789abcdef0.s3.us-east-1.vpce.amazonaws.com',
    sourceRoleArn: 'arn:aws:iam::444455556666:role/read-logs',
    sourceExternalId: 'log-rollup',
    sourceExpectedBucketOwner: '444455556666',
    requestPayer: 'requester',
    destinationRegion: 'eu-west-1',
  },
  'a destination of another account': {
    rawBucketName: 'application-logs',
    aggregatedBucketName: 'application-logs-aggregated',
    aggregatedKmsKeyArn: 'arn:aws:kms:eu-central-1:444455556666:key/66666666-7777-8888-9999-000000000000',
    tags: { team: 'logs' },
    destinationEndpointUrl: 'https://s3.dualstack.eu-central-1.amazonaws.com',
    destinationRoleArn: 'arn:aws:iam::444455556666:role/write-rollups',
    destinationExternalId: 'log-rollup',
    destinationExpectedBucketOwner: '444455556666',
    sse: 'AES256',
  },
  'created buckets, key and topic': {
    separateBuckets: true,
    rawKmsKeyArn: 'arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555',
    aggregatedKmsKeyArn: 'arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555',
    rawExpiration: 30,
    alarmEmail: 'on-call@example.com',
    memorySize: 3_538,
    timeoutSeconds: 600,
    reservedConcurrency: 12,
    directConcurrency: 2,
    logRetentionDays: 90,
    allowAnyPrefix: true,
    failOnEmpty: true,
    emptyHourAlarm: true,
  },
};

/** A deployment with the state machine, which has tests of its own. */
export const FAN_OUT = {
  rawBucketName: 'application-logs',
  fanOut: true,
  fanOutObjects: 50_000,
  fanOutBytes: '50GiB',
  fanOutWorkers: 40,
  fanOutBatch: 8,
  fanOutConcurrency: 32,
  fanOutRequestRate: 20_000,
};

const KEY = 'arn:aws:kms:eu-central-1:111122223333:key/99999999-2222-3333-4444-555555555555';

/** A network, and what else a stack in a company's account has around it. */
const SURROUNDINGS = {
  vpcId: 'vpc-0123456789abcdef0',
  subnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
  httpsProxy: 'http://proxy.example.com:3128',
  noProxy: '.amazonaws.com',
};

/** Deployments whose templates are held against cfn-lint and cdk-nag, besides `DEPLOYMENTS`. */
export const VARIANTS: Record<string, Record<string, unknown>> = {
  'fan-out': FAN_OUT,
  'fan-out with a key for outputs': {
    ...FAN_OUT,
    kmsKeyId: KEY,
    rawKmsKeyArn: KEY.replace('99999999', '11111111'),
    tracing: true,
  },
  'a VPC': { ...SURROUNDINGS, tracing: true },
  'a VPC with fan-out and security groups': {
    ...SURROUNDINGS,
    ...FAN_OUT,
    securityGroupIds: ['sg-0123456789abcdef0'],
  },
  'a key of the customer': {
    kmsKeyArn: KEY,
    fanOut: true,
    alarmEmail: 'on-call@example.com',
    vpcId: SURROUNDINGS.vpcId,
    subnetIds: SURROUNDINGS.subnetIds,
  },
  'roles of other accounts': {
    rawBucketName: 'application-logs',
    aggregatedBucketName: 'application-logs-aggregated',
    sourceRoleArn: 'arn:aws:iam::444455556666:role/read-logs',
    destinationRoleArn: 'arn:aws:iam::777788889999:role/write-rollups',
  },
  'many streams': {
    rawBucketName: 'application-logs',
    streams: Array.from({ length: 50 }, (_, i) => ({ name: `service-${i}` })),
    alarmTopicArn: 'arn:aws:sns:eu-central-1:111122223333:on-call',
    pageTopicArn: 'arn:aws:sns:eu-central-1:111122223333:pager',
  },
  'access points': {
    rawBucketName: 'arn:aws:s3:eu-central-1:444455556666:accesspoint/raw-logs',
    rawKmsKeyArn: KEY,
    aggregatedBucketName: 'arn:aws:s3:eu-central-1:111122223333:accesspoint/rollups',
  },
  'gzip with deletes': { codec: 'gzip', level: 9, deleteSource: true, successMarker: true },
  'a canary': { deployment: 'canary', fanOut: true },
  'a deployment all at once': { deployment: 'all-at-once', rawBucketName: 'application-logs' },
};
