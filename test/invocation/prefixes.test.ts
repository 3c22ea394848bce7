import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { flattenReference } from '../../lib/flatten-reference.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { synthesize } from '../lib/synthesis.ts';
import { onlyResource, resources, roleStatements } from '../lib/template.ts';
import { type QueueServer, startQueues } from '../support/queue-server.ts';
import { drain } from './support/event-source.ts';
import { type LambdaProcess, startLambda } from './support/lambda-process.ts';
import { BUCKET, openBucket } from './support/raw-logs.ts';

/*
 * Streams whose sources end anywhere: from their synthesis to what the function makes of the messages of their schedules.
 */

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

let sandbox: Sandbox;
let queues: QueueServer;
let lambda: LambdaProcess;
beforeEach(async () => {
  sandbox = await openBucket();
  queues = await startQueues({ visibilitySeconds: 30 });
  const own = Object.fromEntries(NAMES.map((name) => [name, z.string().parse(variables[name])]));
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
  await lambda[Symbol.asyncDispose]();
  await queues[Symbol.asyncDispose]();
  await sandbox.close();
});

const put = (key: string): void => {
  sandbox.put(BUCKET, key, `${key}\n`);
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
