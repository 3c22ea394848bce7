import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { commands } from '../../../bin/commands.ts';
import { type Sandbox, type SandboxRequest, startSandbox } from '../../../sandbox/sandbox.ts';
import { cli, environment } from '../command-line.ts';
import { STACK, TEMPLATE, openAccount } from './operator-line.ts';
import { byFunction, openWorld } from './smoke-world.ts';

vi.hoisted(() => {
  process.env['POWERTOOLS_LOG_LEVEL'] = 'SILENT';
  process.env['POWERTOOLS_METRICS_DISABLED'] = 'true';
});

const some = z.union([z.string().transform((one) => [one]), z.array(z.string()).min(1)]);
const policySchema = z.strictObject({
  Version: z.literal('2012-10-17'),
  Statement: z.array(
    z.strictObject({
      Sid: z.string().regex(/^\w+$/),
      Effect: z.literal('Allow'),
      Action: some,
      Resource: some,
      Condition: z.strictObject({ StringLike: z.strictObject({ 's3:prefix': some }) }).optional(),
    }),
  ),
});
type Policy = z.infer<typeof policySchema>;

/** The policies of docs/permissions.md, by the heading that each is under. */
const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/permissions.md'), 'utf8');
const POLICIES = new Map(
  PAGE.split(/^## /m)
    .slice(1)
    .map((section) => {
      // What is for one of its options has a policy of its own: together they are the command's.
      const policies = Array.from(section.matchAll(/```json\n([^]*?)```/g), ([, json = '']) =>
        policySchema.parse(JSON.parse(json)),
      );
      const Statement = policies.flatMap((policy) => policy.Statement);
      return [section.split('\n')[0] ?? '', { Version: '2012-10-17' as const, Statement }];
    }),
);

/** One call, as a policy sees it. The resource is undefined where a stand-in does not tell. */
interface Call {
  action: string;
  resource?: string | undefined;
  prefix?: string | undefined;
}

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
const S3_ACTIONS: Partial<Record<SandboxRequest['operation'], string>> = {
  ListObjectsV2: 's3:ListBucket',
  ListMultipartUploads: 's3:ListBucketMultipartUploads',
  GetObject: 's3:GetObject',
  HeadObject: 's3:GetObject',
  PutObject: 's3:PutObject',
  CreateMultipartUpload: 's3:PutObject',
  UploadPart: 's3:PutObject',
  CompleteMultipartUpload: 's3:PutObject',
  AbortMultipartUpload: 's3:AbortMultipartUpload',
  ListParts: 's3:ListMultipartUploadParts',
};

function s3Calls(sandbox: Sandbox): Call[] {
  return sandbox.requests
    .filter((request) => !byFunction(request))
    .map(({ operation, bucket = '', key, prefix }) => {
      const resource = `arn:aws:s3:::${bucket}${key === undefined ? '' : `/${key}`}`;
      // Keys are in the body: the resource is not known.
      if (operation === 'DeleteObjects') return { action: 's3:DeleteObject' };
      return { action: S3_ACTIONS[operation] ?? operation, resource, prefix };
    });
}

const SERVICES: [RegExp, string][] = [
  [/Stack/, 'cloudformation'],
  [/Alarms/, 'cloudwatch'],
  [/Subscriptions/, 'sns'],
  [/Execution/, 'states'],
  [/Message|Queue/, 'sqs'],
];

/** `AmazonSQS.SendMessage` -> `sqs:SendMessage` */
function awsCall(called: string): Call {
  const name = called.replace(/^AmazonSQS\./, '');
  if (name === 'Invoke') return { action: 'lambda:InvokeFunction' };
  const [, service = ''] = SERVICES.find(([pattern]) => pattern.test(name)) ?? [];
  return { action: `${service}:${name.replace(/Batch$/, '')}` };
}

function isLike(text: string, patterns: string[]): boolean {
  return patterns.some((pattern) => {
    const parts = pattern.split('*').map((part) => part.replaceAll(/[.^$+?()[\]{}|\\/-]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`).test(text);
  });
}

function isAllowed({ Statement }: Policy, { action, resource, prefix }: Call): boolean {
  return Statement.some(
    ({ Action, Resource, Condition }) =>
      Action.includes(action) &&
      (resource === undefined || isLike(resource, Resource)) &&
      (Condition === undefined || isLike(prefix ?? '', Condition.StringLike['s3:prefix'])),
  );
}

const BUCKET = 'application-logs';
const FROM = 's3://application-logs/raw/checkout/20251121/08/';
const TO = 's3://application-logs/aggregated/checkout/20251121/08/';
const HOUR = '2025-11-21T08';

/** Runs commands on one bucket, and returns the requests of the last. */
async function ofBucket(...lines: string[][]): Promise<Call[]> {
  const sandbox = await startSandbox({ buckets: [BUCKET] });
  try {
    for (let i = 0; i < 3; i++) sandbox.put(BUCKET, `raw/checkout/20251121/08/${i}.log`, `line ${i}\n`);
    for (const args of lines) {
      sandbox.clearRequests();
      expect(await cli(sandbox, args)).toMatchObject({ code: 0 });
    }
    return s3Calls(sandbox);
  } finally {
    await sandbox.close();
  }
}

/** Runs commands on a stack, and returns all of their calls. */
async function ofStack(...lines: string[][]): Promise<Call[]> {
  await using account = await openAccount();
  account.stub.functions['LogRollup-Function-1A2B3C'] = () => ({ status: 'unchanged' });
  account.sandbox.put(BUCKET, 'raw/checkout/20251121/08/0.log', 'line\n');
  await account.queues.send({ source: FROM }, account.queues.deadLetterUrl);
  for (const args of lines) await account.cli([...args, '--no-progress']);
  return [...s3Calls(account.sandbox), ...account.stub.calls.map(awsCall)];
}

async function ofSmoke(): Promise<Call[]> {
  const calls: Call[] = [];
  {
    await using world = await openWorld();
    expect(await world.cli(['smoke', '--stack', STACK])).toMatchObject({ code: 0 });
    calls.push(...s3Calls(world.sandbox), ...world.calls.map(awsCall));
  }
  {
    await using world = await openWorld({ fanOut: true });
    expect(await world.cli(['smoke', '--stack', STACK])).toMatchObject({ code: 0 });
    // In S3, the stand-in of the steps has the command line's own credentials.
    calls.push(...world.calls.map(awsCall));
  }
  await using world = await openWorld({ consumer: false });
  await world.queues.send({ source: FROM });
  await world.cli(['smoke', '--stack', STACK, '--timeout', '1']);
  return [...calls, ...s3Calls(world.sandbox), ...world.calls.map(awsCall)];
}

/** Rolls an hour up, has somebody read it, and returns what was asked for. */
async function ofReader(read: (sandbox: Sandbox) => Promise<string>): Promise<Call[]> {
  const sandbox = await startSandbox({ buckets: [BUCKET] });
  try {
    sandbox.put(BUCKET, 'raw/checkout/20251121/08/0.log', 'line\n');
    expect(await cli(sandbox, run)).toMatchObject({ code: 0 });
    sandbox.clearRequests();
    expect(await read(sandbox)).toBe('line\n');
    return s3Calls(sandbox);
  } finally {
    await sandbox.close();
  }
}

/** The example that reads by the manifest. */
async function byManifest({ endpoint }: Sandbox): Promise<string> {
  const example = join(import.meta.dirname, '../../../examples/read-committed.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [example, TO], {
    env: environment(endpoint),
  });
  return stdout;
}

/** Lists the hour, and gets what is not hidden. */
async function byPrefix({ endpoint }: Sandbox): Promise<string> {
  const credentials = { accessKeyId: 'reader', secretAccessKey: 'secret' };
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  try {
    const Prefix = 'aggregated/checkout/20251121/08/';
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix }));
    const Key = Contents.map(({ Key = '' }) => Key).find((key) => key.startsWith(`${Prefix}part-`));
    const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
    return (await Body?.transformToString()) ?? '';
  } finally {
    client.destroy();
  }
}

const run = ['run', FROM, TO];
const restored = ['--to', `s3://${BUCKET}/restored/`];
const range = ['--from', HOUR, '--to', HOUR];
const USED: Record<string, () => Promise<Call[]>> = {
  run: async () => [...(await ofBucket(run)), ...(await ofBucket(run, [...run, '--repack']))],
  plan: async () => [...(await ofBucket(['plan', FROM, TO])), ...(await ofBucket(run, ['plan', FROM, TO]))],
  verify: () => ofBucket(run, ['verify', '--deep', TO]),
  extract: async () => [
    ...(await ofBucket(run, ['extract', TO, '1.log'])),
    ...(await ofBucket(
      run,
      ['extract', TO, '1.log', ...restored],
      ['extract', TO, '--prefix', '', ...restored],
    )),
  ],
  status: () => ofStack(['status', '--stack', STACK, ...range]),
  report: () => ofStack(['report', '--stack', STACK, ...range, '--json']),
  rerun: () =>
    ofStack(
      ['rerun', '--stack', STACK, '--stream', 'checkout', '--hour', HOUR],
      ['rerun', '--stack', STACK, '--stream', 'checkout', '--hour', HOUR, '--invoke'],
    ),
  backfill: () => ofStack(['backfill', '--stack', STACK, '--source', TEMPLATE, ...range]),
  redrive: () => ofStack(['redrive', '--stack', STACK, '--dry-run'], ['redrive', '--stack', STACK]),
  smoke: ofSmoke,
};

/** Actions that no request of these runs shows. */
const UNSEEN: Record<string, string[]> = {
  // Where a run fails or is stopped, and to find out whether S3 has the last part.
  run: ['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts', 's3:DeleteObject'],
  // They let S3 answer 404 where there is no object; where a large object fails or is stopped.
  extract: ['s3:ListBucket', 's3:AbortMultipartUpload'],
  // What SQS does in the name of whoever starts a move.
  redrive: ['sqs:DeleteMessage', 'sqs:SendMessage'],
  // Only where a step is stopped.
  smoke: ['states:StopExecution'],
};

/** Commands that only print text. */
const WITHOUT_AWS = new Set(['completion', 'ddl']);

describe('docs/permissions.md', () => {
  it('has a policy for every command, and for no other', () => {
    const names = commands.map((command) => command.name()).filter((name) => !WITHOUT_AWS.has(name));
    const others = /^(function|readers: )/;
    expect([...POLICIES.keys()].filter((name) => !others.test(name)).toSorted()).toEqual(names.toSorted());
  });

  it.each([
    ['by the manifest or the list', byManifest],
    ['by the prefix', byPrefix],
  ])('allows readers %s what they do', async (way, read) => {
    const policy = POLICIES.get(`readers: ${way}`);
    if (policy === undefined) throw new Error(`no policy of readers ${way}`);
    const calls = await ofReader(read);
    expect(calls.filter((call) => !isAllowed(policy, call))).toEqual([]);
    expect(new Set(calls.map(({ action }) => action))).toEqual(
      new Set(policy.Statement.flatMap(({ Action }) => Action)),
    );
  });

  it.each(Object.keys(USED))(
    'allows %s all that it does, and no action that it never takes',
    async (name) => {
      const policy = POLICIES.get(name);
      if (policy === undefined) throw new Error(`no policy of ${name}`);
      const calls = (await USED[name]?.()) ?? [];
      expect(calls.filter((call) => !isAllowed(policy, call))).toEqual([]);
      const seen = new Set([...calls.map(({ action }) => action), ...(UNSEEN[name] ?? [])]);
      const superfluous = policy.Statement.flatMap(({ Action }) => Action).filter(
        (action) => !seen.has(action),
      );
      expect(superfluous).toEqual([]);
    },
  );

  it('would be refused if it lacked an action, or had too narrow a resource', () => {
    const policy = policySchema.parse({
      Version: '2012-10-17',
      Statement: [{ Sid: 'A', Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::a/raw/*' }],
    });
    const call = { action: 's3:GetObject', resource: 'arn:aws:s3:::a/raw/x' };
    expect(isAllowed(policy, call)).toBe(true);
    expect(isAllowed(policy, { ...call, resource: 'arn:aws:s3:::a/other/x' })).toBe(false);
    expect(isAllowed(policy, { ...call, action: 's3:PutObject' })).toBe(false);
  });
});
