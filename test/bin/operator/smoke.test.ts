import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { parseObject, start } from '../command-line.ts';
import { eventually } from '../../support/eventually.ts';
import {
  BUCKET,
  type SmokeWorld,
  TOPIC,
  type WorldOptions,
  alarm,
  byFunction,
  openWorld,
} from './smoke-world.ts';

// The modules behind the steps read these when they are loaded.
vi.hoisted(() => {
  process.env['POWERTOOLS_LOG_LEVEL'] = 'SILENT';
  process.env['POWERTOOLS_METRICS_DISABLED'] = 'true';
});

const SMOKE = ['smoke', '--stack', 'LogRollup'];
const OTHER = 'raw/checkout/20251121/08/app.log';
const RAW = 'raw/checkout/20000101/00/';

const resultSchema = z.object({
  status: z.string(),
  checks: z.array(
    z.object({
      check: z.string(),
      status: z.string(),
      seconds: z.number(),
      detail: z.string(),
      code: z.string().optional(),
      advice: z.string().optional(),
    }),
  ),
  left: z.array(z.string()),
});

let world: SmokeWorld;
afterEach(() => world[Symbol.asyncDispose]());

async function open(options: WorldOptions = {}): Promise<void> {
  world = await openWorld(options);
  world.sandbox.put(BUCKET, OTHER, 'a log\n');
}

async function smoke(...args: string[]) {
  const { code, stdout, stderr } = await world.cli([...SMOKE, ...args, '--json', '--no-progress']);
  expect(stderr).toBe('');
  const result = resultSchema.parse(parseObject(stdout));
  const failed = result.checks.find(({ status }) => status === 'failed');
  return { code, result, failed, checks: result.checks.map(({ check, status }) => `${check} ${status}`) };
}

/** What every smoke test must leave of the bucket. */
function expectNothingLeft(): void {
  expect(world.keys()).toEqual([OTHER]);
  expect(world.sandbox.get(BUCKET, OTHER)?.toString()).toBe('a log\n');
}

const ALL = ['stack', 'alarms', 'place', 'write', 'request', 'rollup', 'verify', 'extract', 'again'];

describe('a deployment that works', () => {
  it('passes every check, and nothing is left', async () => {
    await open();
    const { code, result, checks } = await smoke();
    expect(checks).toEqual([...ALL.map((check) => `${check} ok`), 'execution left-out', 'remove ok']);
    expect(result).toMatchObject({ status: 'passed', left: [] });
    expect(code).toBe(0);
    expectNothingLeft();
    expect(await world.queues.depth(world.queues.queueUrl)).toBe(0);
  });

  it('passes with a state machine, which writes the hour anew', async () => {
    await open({ fanOut: true });
    const steps: unknown[] = [];
    world.onStep = (payload) => {
      steps.push(z.object({ step: z.string() }).parse(payload).step);
    };
    const { code, checks } = await smoke();
    expect(checks).toEqual([...ALL, 'execution', 'remove'].map((check) => `${check} ok`));
    expect(steps).toEqual(['plan', 'write', 'commit']);
    expect(code).toBe(0);
    expectNothingLeft();
  });

  it.each<[string, Record<string, string>, string[], boolean]>([
    ['deletes sources', { DELETE_SOURCE: 'true' }, [], true],
    ['decodes, compresses and leaves headers out', { CODEC: 'gzip', HEADER_LINES: '1' }, [], true],
    ['groups', { GROUP_BY: '^s3-rollup-([a-z]+)' }, [], false],
    ['takes gzip alone', { CODEC: 'none', SOURCE_FORMAT: 'gzip' }, ['--gzip'], false],
    ['writes markers', { SUCCESS_MARKER: 'true', SYMLINK_MANIFEST: 'true' }, [], false],
    ['filters', { FILTERS: '[{"exclude":"*"},{"include":"*.json"}]' }, ['--name', 'app-{n}.json'], false],
  ])('passes where the deployment %s', async (_, settings, args, fanOut) => {
    await open({ settings, fanOut });
    const { failed, code } = await smoke(...args);
    expect(failed).toBeUndefined();
    expect(code).toBe(0);
    expectNothingLeft();
  });

  it('passes where the hour stands in the middle of a name', async () => {
    await open({ template: 'cf/E2EXAMPLE.{yyyy}-{MM}-{dd}-{HH}', fanOut: true });
    const { failed, code } = await smoke('--stream', 'checkout', '--hour', '2001-02-03T04');
    expect(failed).toBeUndefined();
    expect(code).toBe(0);
    expectNothingLeft();
  });

  it('has no such stream as was named', async () => {
    await open();
    expect((await smoke('--stream', 'search')).failed).toMatchObject({
      check: 'place',
      code: 'NoSuchStream',
    });
  });

  it('prints a table with times', async () => {
    await open();
    const { code, stdout } = await world.cli([...SMOKE, '--no-progress']);
    expect(stdout).toMatch(/^passed\n/);
    expect(stdout).toMatch(/ {2}rollup +ok +\d+\.\d s {2}3 objects in 1 output\n/);
    expect(code).toBe(0);
  });

  it('removes what an earlier smoke test left behind', async () => {
    await open();
    world.sandbox.put(BUCKET, `${RAW}s3-rollup-smoke-2.log`, 's3-rollup smoke 0a1b2c\nobject\n');
    const { code, result } = await smoke();
    expect(result.checks[2]?.detail).toContain('1 object of an earlier smoke test removed');
    expect(code).toBe(0);
    expectNothingLeft();
  });
});

describe('a deployment that does not work', () => {
  it('has a queue from which nobody takes messages: the message is taken back', async () => {
    await open({ consumer: false });
    const { code, failed, result } = await smoke('--timeout', '2');
    expect(failed).toMatchObject({ check: 'rollup', code: 'NotTaken' });
    expect(failed?.detail).toContain('event source mapping');
    expect(failed?.advice).toBeDefined();
    expect(result.left).toEqual([]);
    expect(code).toBe(1);
    expectNothingLeft();
    expect(await world.queues.depth(world.queues.queueUrl)).toBe(0);
  });

  it('has messages of others in that queue, which stay', async () => {
    await open({ consumer: false });
    await world.queues.send({ source: 's3://application-logs/raw/checkout/20251121/08/' });
    expect((await smoke('--timeout', '1')).failed).toMatchObject({ code: 'NotTaken' });
    expect(await world.queues.depth(world.queues.queueUrl)).toBe(1);
  });

  it('has a function that may not write', async () => {
    await open();
    world.sandbox.hook = (request) =>
      byFunction(request) && /Put|Create|Upload/.test(request.operation)
        ? { kind: 'error', status: 403, code: 'AccessDenied', message: 'Access Denied' }
        : undefined;
    const { code, failed, result } = await smoke('--timeout', '4');
    expect(failed).toMatchObject({ check: 'rollup', code: 'AccessDenied' });
    expect(failed?.detail).toMatch(/LogRollup-Function-1A2B3C fails: /);
    expect(result.left).toEqual([expect.stringMatching(/is in work, or waits for its next attempt/)]);
    expect(code).toBe(1);
    expectNothingLeft();
  });

  it('has a function that does not reach S3', async () => {
    await open();
    world.sandbox.hook = (request) => (byFunction(request) ? { kind: 'hang' } : undefined);
    const { code, failed } = await smoke('--timeout', '2');
    expect(failed).toMatchObject({ check: 'rollup', code: 'FunctionSilent' });
    expect(code).toBe(1);
    expectNothingLeft();
  });

  it('has a bucket that its operator may not write to', async () => {
    await open();
    world.sandbox.hook = (request) =>
      !byFunction(request) && request.operation === 'PutObject'
        ? { kind: 'error', status: 403, code: 'AccessDenied', message: 'Access Denied' }
        : undefined;
    const { code, failed } = await smoke();
    expect(failed).toMatchObject({ check: 'write', code: 'AccessDenied' });
    expect(failed?.advice).toContain('s3:PutObject');
    expect(code).toBe(1);
    expectNothingLeft();
  });

  it('has filters that leave the objects out', async () => {
    await open({ settings: { FILTERS: '[{"exclude":"*"},{"include":"*.json"}]' } });
    const { code, failed } = await smoke();
    expect(failed).toMatchObject({ check: 'rollup', code: 'ObjectsLeftOut' });
    expect(failed?.detail).toContain('--name');
    expect(code).toBe(1);
    expectNothingLeft();
  });

  it('has a state machine that fails', async () => {
    await open({ fanOut: true });
    world.onStep = (payload) => {
      const { step } = z.object({ step: z.string() }).parse(payload);
      if (step === 'commit') throw Object.assign(new Error('It may not.'), { name: 'AccessDenied' });
    };
    const { code, failed, result } = await smoke();
    expect(failed).toMatchObject({ check: 'execution', code: 'ExecutionFailed' });
    expect(failed?.detail).toContain('FAILED: AccessDenied');
    expect(result.left).toEqual([expect.stringContaining('dead-letter queue')]);
    expect(code).toBe(1);
    expectNothingLeft();
  });

  it('has a state machine that does not come to its end: it is stopped', async () => {
    await open({ fanOut: true });
    world.onStep = () => new Promise(() => undefined);
    const { code, failed, result } = await smoke('--timeout', '5');
    expect(failed).toMatchObject({ check: 'execution', code: 'Timeout' });
    expect(world.calls.at(-1)).toBe('StopExecution');
    expect(result.left).toEqual([expect.stringContaining('dead-letter queue')]);
    expect(code).toBe(1);
    expectNothingLeft();
  });

  it.each<[string, (world: SmokeWorld) => void, RegExp]>([
    [
      'an alarm without action',
      ({ alarms }) => alarms.push(alarm('Errors', { AlarmActions: [] })),
      /Nobody is told of 1 of 2 alarms: Errors /,
    ],
    [
      'an alarm whose actions are off',
      ({ alarms }) => alarms.push(alarm('Errors', { ActionsEnabled: false })),
      /Nobody is told of 1 of 2 alarms: Errors /,
    ],
    [
      'a subscription that nobody has confirmed',
      (of) => (of.subscriptions = ['PendingConfirmation']),
      /nobody has confirmed a subscription of arn:aws:sns:/,
    ],
    ['no alarms', ({ alarms }) => alarms.splice(0), /no alarms/],
    ['a topic without subscription', (of) => (of.subscriptions = []), /has no subscription/],
  ])('has %s, and the other checks go on', async (_, arrange, why) => {
    await open();
    arrange(world);
    const { code, failed, checks } = await smoke();
    expect(failed).toMatchObject({ check: 'alarms', code: 'AlarmsUnheard' });
    expect(failed?.detail).toMatch(why);
    expect(checks.filter((check) => check.endsWith('failed'))).toEqual(['alarms failed']);
    expect(checks).toContain('again ok');
    expect(code).toBe(1);
    expectNothingLeft();
  });

  it('may have alarms that a composite one tells of, and --no-alarms looks at none', async () => {
    await open();
    const silent = alarm('Errors', { AlarmActions: [] });
    const AlarmRule = `(ALARM("${silent.AlarmArn}") OR ALARM("another"))`;
    world.alarms = [silent, alarm('HourNotRolledUp', { AlarmRule, AlarmActions: [TOPIC] })];
    expect((await smoke()).code).toBe(0);
    world.alarms = [silent];
    const { code, checks } = await smoke('--no-alarms');
    expect(checks[1]).toBe('alarms left-out');
    expect(code).toBe(0);
  });

  it.each([
    ['DescribeStacks', 'stack'],
    ['ListStackResources', 'alarms'],
    ['DescribeAlarms', 'alarms'],
    ['ListSubscriptionsByTopic', 'alarms'],
    ['SendMessage', 'request'],
    ['Invoke', 'again'],
    ['StartExecution', 'execution'],
  ])('has an operator who may not %s', async (call, check) => {
    await open({ fanOut: true });
    world.denied = [call];
    const { code, failed } = await smoke();
    expect(failed).toMatchObject({ check, code: 'AccessDenied' });
    expect(code).toBe(1);
    expectNothingLeft();
  });

  it('has objects that may not be deleted: they are named', async () => {
    await open();
    world.sandbox.hook = (request) =>
      !byFunction(request) && request.operation === 'DeleteObjects'
        ? { kind: 'refuse-keys', code: (key) => (key.startsWith(RAW) ? 'AccessDenied' : undefined) }
        : undefined;
    const { code, failed, result } = await smoke();
    expect(failed).toMatchObject({ check: 'remove', code: 'NotRemoved' });
    expect(result.left).toHaveLength(3);
    expect(result.left[0]).toContain(`${RAW}s3-rollup-smoke-1.log is left`);
    expect(code).toBe(1);
  });
});

describe('an hour in use', () => {
  it.each([
    ['raw logs', `${RAW}app.log`],
    ['raw logs under the name of a smoke test', `${RAW}s3-rollup-smoke-1.log`],
    ['an object in the destination', 'aggregated/checkout/20000101/00/part-00000-3f2a9c1b7d4e.log'],
  ])('is refused, and stays as it is: %s', async (_, key) => {
    await open();
    world.sandbox.put(BUCKET, key, 'a log of somebody\n');
    const { code, failed } = await smoke();
    expect(failed).toMatchObject({ check: 'place', code: 'HourInUse' });
    expect(code).toBe(1);
    expect(world.keys()).toEqual([key, OTHER].toSorted());
    expect(await world.queues.depth(world.queues.queueUrl)).toBe(0);
  });
});

it('SIGINT removes everything, and takes the message back', async () => {
  await open({ consumer: false });
  const { child, ended } = start([...SMOKE, '--no-progress'], world.env);
  await eventually(async () => {
    expect(await world.queues.depth(world.queues.queueUrl)).toBe(1);
  });
  child.kill('SIGINT');
  const { code, stderr } = await ended;
  expect(stderr).toContain('What it had made is removed.');
  expect(code).toBe(130);
  expectNothingLeft();
  expect(await world.queues.depth(world.queues.queueUrl)).toBe(0);
});

it.each([
  ['no stack', ['smoke'], /--stack/],
  ['a name without {n}', [...SMOKE, '--name', 'app.log'], /--name must have \{n\}/],
  ['a timeout that is none', [...SMOKE, '--timeout', '0'], /--timeout/],
  ['an hour that is none', [...SMOKE, '--hour', '2000'], /--hour/],
])('refuses %s', async (_, args, why) => {
  await open({ consumer: false });
  const { code, stderr } = await world.cli(args);
  expect(stderr).toMatch(why);
  expect(code).toBe(2);
  expect(world.calls).toEqual([]);
});
