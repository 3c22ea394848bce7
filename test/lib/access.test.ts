import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { flattenReference } from '../../lib/flatten-reference.ts';
import { page } from './markdown.ts';
import { DEPLOYMENTS, synthesize } from './synthesis.ts';
import { resources, roleStatements } from './template.ts';

const S3_ARN = 'arn:<AWS::Partition>:s3:::';
const QUEUE = '<RollupQueuesRequestsDF361FBD.Arn>';
const UNDELIVERED = '<RollupQueuesUndelivered967AD3EA.Arn>';
const LOGS = '<RollupLogs1645604F.Arn>';
const VIA_S3 = 'kms:ViaService=s3.<AWS::Region>.<AWS::URLSuffix>';

/** Permissions of every deployment's roles, except those for S3, KMS and X-Ray. */
const COMMON = [
  `TakeRequests | sqs:ChangeMessageVisibility sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage | ${QUEUE}`,
  `Continue | sqs:SendMessage | ${QUEUE}`,
  `KeepFailedInvocations | sqs:SendMessage | ${UNDELIVERED}`,
  `WriteLogs | logs:CreateLogStream logs:PutLogEvents | ${LOGS}`,
  `SendRequests | sqs:SendMessage | ${QUEUE} ${UNDELIVERED}`,
];

const WRITE = 's3:AbortMultipartUpload s3:DeleteObject s3:GetObject s3:ListMultipartUploadParts s3:PutObject';

/** All statements. One that is not in these lists may not be in the template. */
const ALLOWED: Record<string, string[]> = {
  'no context': [
    'ListRaw | s3:ListBucket | <BucketsRaw686CB728.Arn> | s3:prefix=raw/*',
    'ReadRaw | s3:GetObject | <BucketsRaw686CB728.Arn>/raw/*',
    'ListAggregated | s3:ListBucket | <BucketsRaw686CB728.Arn> | s3:prefix=aggregated/*',
    'ListUploads | s3:ListBucketMultipartUploads | <BucketsRaw686CB728.Arn>',
    `WriteAggregated | ${WRITE} | <BucketsRaw686CB728.Arn>/aggregated/*`,
    ...COMMON,
  ],
  'existing bucket': [
    `ListRaw | s3:ListBucket | ${S3_ARN}application-logs | s3:prefix=raw/*`,
    `ReadRaw | s3:GetObject | ${S3_ARN}application-logs/raw/*`,
    `ListAggregated | s3:ListBucket | ${S3_ARN}application-logs | s3:prefix=aggregated/*`,
    `ListUploads | s3:ListBucketMultipartUploads | ${S3_ARN}application-logs`,
    `WriteAggregated | ${WRITE} | ${S3_ARN}application-logs/aggregated/*`,
    'WriteTraces | xray:PutTelemetryRecords xray:PutTraceSegments | *',
    ...COMMON,
  ],
  'two existing buckets with keys': [
    `ListRaw | s3:ListBucket | ${S3_ARN}application-logs | s3:prefix=*`,
    `ReadRaw | s3:GetObject | ${S3_ARN}application-logs/*`,
    `DeleteRaw | s3:DeleteObject | ${S3_ARN}application-logs/*`,
    `ListAggregated | s3:ListBucket | ${S3_ARN}application-logs-aggregated | s3:prefix=logs/*`,
    `ListUploads | s3:ListBucketMultipartUploads | ${S3_ARN}application-logs-aggregated`,
    `WriteAggregated | ${WRITE} | ${S3_ARN}application-logs-aggregated/logs/*`,
    `DecryptRaw | kms:Decrypt | arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555 | ${VIA_S3}`,
    `EncryptAggregated | kms:Decrypt kms:GenerateDataKey | arn:aws:kms:eu-central-1:444455556666:key/66666666-7777-8888-9999-000000000000 | ${VIA_S3}`,
    ...COMMON,
  ],
  'outputs with attributes': [
    `ListRaw | s3:ListBucket | ${S3_ARN}application-logs | s3:prefix=raw/*`,
    `ReadRaw | s3:GetObject | ${S3_ARN}application-logs/raw/*`,
    `ListAggregated | s3:ListBucket | ${S3_ARN}application-logs | s3:prefix=aggregated/*`,
    `ListUploads | s3:ListBucketMultipartUploads | ${S3_ARN}application-logs`,
    `WriteAggregated | ${WRITE} s3:PutObjectAcl s3:PutObjectTagging | ${S3_ARN}application-logs/aggregated/*`,
    `EncryptOutputs | kms:Decrypt kms:GenerateDataKey | arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555 | ${VIA_S3}`,
    ...COMMON,
  ],
  'a source of another account and region': [
    'AssumeRoles | sts:AssumeRole | arn:aws:iam::444455556666:role/read-logs',
    `ListAggregated | s3:ListBucket | ${S3_ARN}application-logs-aggregated | s3:prefix=aggregated/*`,
    `ListUploads | s3:ListBucketMultipartUploads | ${S3_ARN}application-logs-aggregated`,
    `WriteAggregated | ${WRITE} | ${S3_ARN}application-logs-aggregated/aggregated/*`,
    'EncryptAggregated | kms:Decrypt kms:GenerateDataKey | arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555 | kms:ViaService=s3.eu-west-1.<AWS::URLSuffix>',
    ...COMMON,
  ],
  'a destination of another account': [
    `ListRaw | s3:ListBucket | ${S3_ARN}application-logs | s3:prefix=raw/*`,
    `ReadRaw | s3:GetObject | ${S3_ARN}application-logs/raw/*`,
    'AssumeRoles | sts:AssumeRole | arn:aws:iam::444455556666:role/write-rollups',
    ...COMMON,
  ],
  'created buckets, key and topic': [
    'ListRaw | s3:ListBucket | <BucketsRaw686CB728.Arn> | s3:prefix=raw/*',
    'ReadRaw | s3:GetObject | <BucketsRaw686CB728.Arn>/raw/*',
    'ListAggregated | s3:ListBucket | <BucketsAggregated4826DF0A.Arn> | s3:prefix=aggregated/*',
    'ListUploads | s3:ListBucketMultipartUploads | <BucketsAggregated4826DF0A.Arn>',
    `WriteAggregated | ${WRITE} | <BucketsAggregated4826DF0A.Arn>/aggregated/*`,
    `DecryptRaw | kms:Decrypt | arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555 | ${VIA_S3}`,
    `EncryptAggregated | kms:Decrypt kms:GenerateDataKey | arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555 | ${VIA_S3}`,
    ...COMMON,
  ],
};

describe.each(Object.entries(DEPLOYMENTS))('access with %s', (name, context) => {
  const template = synthesize(context);
  const statements = roleStatements(template);

  it('has the permissions listed here, and no others', () => {
    expect(statements.map(formatStatement).sort()).toEqual(ALLOWED[name]?.sort());
    expect(statements.every(({ Effect }) => Effect === 'Allow')).toBe(true);
  });

  it('has no wildcard in an action, and in a resource only at the end of an object key', () => {
    const tracing = context['tracing'] === true ? ['WriteTraces'] : [];
    for (const { Sid, Action, Resource } of statements) {
      expect(Action.join()).not.toContain('*');
      const wild = [Resource]
        .flat()
        .map(flattenReference)
        .filter((resource) => resource.includes('*'));
      const expected = [...tracing, 'ReadRaw', 'DeleteRaw', 'WriteAggregated'].includes(Sid) ? 1 : 0;
      expect(wild, Sid).toHaveLength(expected);
      for (const resource of wild) expect(resource).toMatch(Sid === 'WriteTraces' ? /^\*$/ : /^[^*]+\/\*$/);
    }
  });

  it('comes from the roles alone: no managed or attached policies, and no grants in bucket policies', () => {
    template.resourceCountIs('AWS::IAM::Policy', 0);
    template.resourceCountIs('AWS::IAM::ManagedPolicy', 0);
    for (const role of Object.values(resources(template, 'AWS::IAM::Role'))) {
      expect(role.Properties).not.toHaveProperty('ManagedPolicyArns');
    }
    const services = JSON.stringify(resources(template, 'AWS::S3::BucketPolicy')).match(
      /"Effect":"Allow","Principal":\{[^}]*\}/g,
    );
    expect(new Set(services)).toEqual(
      new Set(
        services === null ? [] : ['"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"}'],
      ),
    );
  });
});

/** `Sid | actions | resources | conditions`, sorted. */
function formatStatement(statement: ReturnType<typeof roleStatements>[number]): string {
  const list = [statement.Resource].flat().map(flattenReference);
  const conditions = Object.values(
    (statement.Condition ?? {}) as Record<string, Record<string, unknown>>,
  ).flatMap((values) => Object.entries(values).map(([key, value]) => `${key}=${flattenReference(value)}`));
  return [statement.Sid, statement.Action.toSorted().join(' '), list.sort().join(' '), ...conditions].join(
    ' | ',
  );
}

it('docs/permissions.md has the policy of the function in S3 as the template of an existing bucket has it', () => {
  const [, json = ''] = /^## function\n[^#]*?```json\n([^]*?)```/m.exec(page('permissions.md')) ?? [];
  const { Statement } = z.object({ Statement: z.array(z.unknown()) }).parse(JSON.parse(json));
  const inTemplate = roleStatements(synthesize(DEPLOYMENTS['existing bucket']))
    .filter(({ Action }) => [Action].flat().every((action) => action.startsWith('s3:')))
    .map((statement) => ({
      ...statement,
      Action: statement.Action.length === 1 ? statement.Action[0] : statement.Action,
      Resource: flattenReference(statement.Resource).replace('<AWS::Partition>', 'aws'),
    }));
  expect(Statement).toEqual(inTemplate);
});
