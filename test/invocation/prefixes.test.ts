import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { createStepInvocation } from '../../lambda/invocation/step-invocation.ts';
import { fanOutDefinition } from '../../lib/fan-out-definition.ts';
import { flattenReference } from '../../lib/flatten-reference.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { json } from '../bin/command-line.ts';
import { synthesize } from '../lib/synthesis.ts';
import { onlyResource, resources, roleStatements } from '../lib/template.ts';
import { type QueueServer, startQueues } from '../support/queue-server.ts';
import { Execution, type StatesWorld } from '../support/states.ts';
import { withCrc32 } from '../support/test-bucket.ts';
import { drain } from './support/event-source.ts';
import { type LambdaProcess, startLambda } from './support/lambda-process.ts';
import { BUCKET, openBucket } from './support/raw-logs.ts';
import { CONTEXT } from './support/step-context.ts';

/*
 * Streams whose sources end anywhere: from their synthesis to what the function makes of the messages of their schedules.
 */

// The modules below read these when they are loaded.
vi.hoisted(() => {
  process.env['POWERTOOLS_LOG_LEVEL'] = 'SILENT';
  process.env['POWERTOOLS_METRICS_DISABLED'] = 'true';
});

const REGIONS = ['eu-west-1', 'us-east-1'];
const DEPLOYMENT = {
  rawBucketName: BUCKET,
  rawRoot: '/logs//',
  streams: [
    { name: 'cdn', source: 'cf/E2EXAMPLE.{yyyy}-{MM}-{dd}-{HH}' },
    {
      name: 'trail-{region}',
      source: 'AWSLogs/1/CloudTrail/{region}/{yyyy}/{MM}/{dd}/1_CloudTrail_{region}_{yyyy}{MM}{dd}T{HH}',
      each: { region: REGIONS },
    },
  ],
  filters: '[{"exclude":"*{yyyy}{MM}{dd}T{HH}59*"}]',
  lookBackHours: 1,
};
const template = synthesize(DEPLOYMENT);
const { Properties: rollup } = onlyResource(template, 'AWS::Lambda::Function');
const { Variables: variables } = z
  .object({ Variables: z.record(z.string(), z.unknown()) })
  .parse(rollup['Environment']);
const NAMES = ['RAW_ROOT', 'AGGREGATED_ROOT', 'STREAMS', 'FILTERS', 'LOOK_BACK_HOURS'];
const schedules = Object.values(resources(template, 'AWS::Scheduler::Schedule')).map(({ Properties }) => {
  const { Input } = z.object({ Input: z.unknown() }).parse(Properties['Target']);
  return z.looseObject({ source: z.string(), stream: z.string() }).parse(JSON.parse(flattenReference(Input)));
});

const own = Object.fromEntries(NAMES.map((name) => [name, z.string().parse(variables[name])]));
const DEFINITION = fanOutDefinition({ functionArn: 'steps', batch: 2, timeoutSeconds: 900 });
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };

let sandbox: Sandbox;
let queues: QueueServer;
let lambda: LambdaProcess;
beforeEach(async () => {
  sandbox = await openBucket();
  queues = await startQueues({ visibilitySeconds: 30 });
  lambda = await startLambda({
    env: {
      ...own,
      AWS_ENDPOINT_URL: sandbox.endpoint,
      AWS_ENDPOINT_URL_SQS: queues.endpoint,
      QUEUE_URL: queues.queueUrl,
    },
  });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await lambda[Symbol.asyncDispose]();
  await queues[Symbol.asyncDispose]();
  await sandbox.close();
});

const put = (key: string): void => {
  sandbox.put(BUCKET, key, `${key}\n`, { headers: withCrc32(`${key}\n`) });
};
const trail = (region: string, at: string): string =>
  `/logs//AWSLogs/1/CloudTrail/${region}/2025/11/21/1_CloudTrail_${region}_20251121T${at}Z_x.json`;
const linesOf = (folder: string): string[] =>
  sandbox
    .keys(BUCKET, folder)
    .filter((key) => key.includes('/part-'))
    .flatMap((key) => (sandbox.get(BUCKET, key)?.toString() ?? '').trim().split('\n'));

describe('streams whose hour is in the middle of a name', () => {
  it('are rolled up by what their schedules send, and looked back at', async () => {
    const cf = '/logs//cf/E2EXAMPLE.2025-11-21-';
    for (const key of [`${cf}07.a.log`, `${cf}08.a.log`, `${cf}08.b.log`, `${cf}09.a.log`]) put(key);
    for (const region of REGIONS) for (const at of ['0805', '0859', '0910']) put(trail(region, at));
    await lambda.invoke({ stream: 'cdn', hour: '2025-11-21T07' });
    put(`${cf}07.late.log`);
    for (const { source, stream } of schedules)
      await queues.send({ source, stream, scheduledTime: '2025-11-21T09:10:00Z' });
    const runs = await drain(queues, lambda);
    const results = runs.map(({ result }) => z.looseObject({ status: z.string() }).parse(result));
    expect(results.map(({ status }) => status).sort()).toEqual(
      ['committed', 'committed', 'committed', 'committed', 'skipped', 'skipped'].sort(),
    );
    expect(linesOf('aggregated/cf/E2EXAMPLE.2025-11-21-08/')).toEqual([`${cf}08.a.log`, `${cf}08.b.log`]);
    expect(linesOf('aggregated/cf/E2EXAMPLE.2025-11-21-07/').sort()).toEqual([
      `${cf}07.a.log`,
      `${cf}07.late.log`,
    ]);
    for (const region of REGIONS) {
      const folder = `aggregated/AWSLogs/1/CloudTrail/${region}/2025/11/21/1_CloudTrail_${region}_20251121T08/`;
      expect(linesOf(folder)).toEqual([trail(region, '0805')]);
    }
    expect(await queues.depth(queues.deadLetterUrl)).toBe(0);
  });

  it('are taken as they are written, though all of an hour lies in the folder of its name at first', async () => {
    const hour = { stream: 'cdn', hour: '2025-11-21T08' };
    const source = '/logs//cf/E2EXAMPLE.2025-11-21-08';
    const folder = 'aggregated/cf/E2EXAMPLE.2025-11-21-08/';
    const run = async () => (await lambda.invoke(hour)).result;
    put(`${source}/a.log`);
    expect(await run()).toMatchObject({ status: 'committed', source: `s3://${BUCKET}/${source}` });
    put(`${source}.late.log`);
    expect(await run()).toMatchObject({ status: 'committed', objects: 2 });
    expect(await run()).toMatchObject({ status: 'unchanged' });
    expect(linesOf(folder).sort()).toEqual([`${source}.late.log`, `${source}/a.log`]);
    expect(await json(sandbox, ['verify', `s3://${BUCKET}/${folder}`, '--deep'])).toMatchObject({
      status: 'ok',
      source: `s3://${BUCKET}/${source}`,
    });
  });

  it.each([false, true])(
    'go on from an hour that an earlier release committed as a folder; a key came beside it: %s',
    async (isLate) => {
      const source = '/logs//cf/E2EXAMPLE.2025-11-21-08';
      const folder = 'aggregated/cf/E2EXAMPLE.2025-11-21-08/';
      const [raw, destination] = [`s3://${BUCKET}/${source}`, `s3://${BUCKET}/${folder}`];
      for (const name of ['a', 'b']) put(`${source}/${name}.log`);
      await json(sandbox, ['run', `${raw}/`, destination]);
      expect(sandbox.get(BUCKET, `${folder}_manifest.json`)?.toString()).toContain('"version": 1');
      if (isLate) put(`${source}.late.log`);
      const hour = { stream: 'cdn', hour: '2025-11-21T08' };
      const objects = isLate ? 3 : 2;
      expect((await lambda.invoke(hour)).result).toMatchObject({ status: 'committed', source: raw, objects });
      expect((await lambda.invoke(hour)).result).toMatchObject({ status: 'unchanged', source: raw });
      expect(linesOf(folder)).toHaveLength(objects);
      const verified = await json(sandbox, ['verify', destination, '--deep']);
      expect(verified).toMatchObject({ status: 'ok', source: raw, objects });
      expect((await lambda.invoke({ ...hour, repack: true })).result).toMatchObject({ objects });
    },
  );

  it.each([false, true])(
    'go on so in the state machine, from an hour that is committed as a folder; a key came beside it: %s',
    async (isLate) => {
      const source = '/logs//cf/E2EXAMPLE.2025-11-21-08';
      const folder = 'aggregated/cf/E2EXAMPLE.2025-11-21-08/';
      const [raw, destination] = [`s3://${BUCKET}/${source}`, `s3://${BUCKET}/${folder}`];
      for (const name of ['a', 'b']) put(`${source}/${name}.log`);
      await json(sandbox, ['run', `${raw}/`, destination]);
      if (isLate) put(`${source}.late.log`);
      const env = { ...own, ...CREDENTIALS, AWS_ENDPOINT_URL: sandbox.endpoint };
      // The SDK reads them by itself.
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
      const steps = createStepInvocation(process.env);
      const statuses: unknown[] = [];
      const world: StatesWorld = {
        invoke: async (_, payload) => {
          const answer = await steps.handle(payload, CONTEXT);
          statuses.push((answer as { status: string }).status);
          return answer;
        },
        getObject: (bucket, key) => sandbox.get(bucket, key),
        wait: () => undefined,
        random: () => 0.5,
      };
      const run = () => new Execution(DEFINITION, { stream: 'cdn', hour: '2025-11-21T08' }, world).run();
      expect(await run()).toMatchObject({ status: 'SUCCEEDED' });
      expect(statuses).toEqual(isLate ? ['planned', 'written', 'done'] : ['done']);
      const objects = isLate ? 3 : 2;
      const verified = await json(sandbox, ['verify', destination, '--deep']);
      expect(verified).toMatchObject({ status: 'ok', source: raw, objects });
    },
  );

  it.each([
    ['another hour of it', '/logs//cf/E2EXAMPLE.2025-11-21-0'],
    ['more than an hour', '/logs//cf/E2EXAMPLE.2025-11-21-08.a'],
    ['its hour as a folder', '/logs//cf/E2EXAMPLE.2025-11-21-08/'],
  ])('take requests for their own hours alone: not %s', async (_, prefix) => {
    put('/logs//cf/E2EXAMPLE.2025-11-21-08.a.log');
    const { failure } = await lambda.invoke({ source: `s3://${BUCKET}/${prefix}` });
    expect(failure?.errorType).toBe('OutsideStream');
    expect(sandbox.keys(BUCKET, 'aggregated/')).toEqual([]);
  });

  it('are what the role may list and read', () => {
    const statements = roleStatements(template);
    const of = (sid: string) => JSON.stringify(statements.find(({ Sid }) => Sid === sid));
    expect(of('ListRaw')).toContain('"s3:prefix":"/logs//*"');
    expect(of('ReadRaw')).toContain(`:s3:::${BUCKET}//logs//*"`);
  });
});
