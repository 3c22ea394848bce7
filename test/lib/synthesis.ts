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

/** An app whose output folder is deleted after the tests: CDK would leave one an app. */
export function createApp(context: Record<string, unknown> = {}): App {
  return new App({ context, outdir: mkdtempSync(join(assemblies, 'app-')) });
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
    codec: 'zstd',
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
    destinationRegion: 'eu-west-1',
  },
  'a destination of another account': {
    rawBucketName: 'application-logs',
    aggregatedBucketName: 'application-logs-aggregated',
    aggregatedKmsKeyArn: 'arn:aws:kms:eu-central-1:444455556666:key/66666666-7777-8888-9999-000000000000',
    tags: { team: 'logs' },
    destinationEndpointUrl: 'https://s3.dualstack.eu-central-1.amazonaws.com',
    destinationRoleArn: 'arn:aws:iam::444455556666:role/write-rollups',
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
