import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STACK_OUTPUTS } from '../../../lambda/names.ts';
import { cli } from '../command-line.ts';
import { type Account, AGGREGATED, BUCKET, STACK, TEMPLATE, openAccount } from './operator-line.ts';

let account: Account;
beforeEach(async () => {
  account = await openAccount();
});
afterEach(() => account[Symbol.asyncDispose]());

const raw = (hour: number, name: string): string => `raw/checkout/20251121/0${hour}/${name}.log`;
const put = (hour: number, name: string, body: string): void => {
  account.sandbox.put(BUCKET, raw(hour, name), body);
};
const range = (from: number, to: number): string[] => [
  '--from',
  `2025-11-21T0${from}`,
  '--to',
  `2025-11-21T0${to}`,
];
const byStack = ['status', '--stack', STACK, '--source', TEMPLATE];

async function rollUp(hour: number): Promise<void> {
  const { code, stderr } = await cli(account.sandbox, [
    ...[
      'run',
      TEMPLATE,
      AGGREGATED,
      '--hour',
      `2025-11-21T0${hour}`,
      '--target-size',
      '5MiB',
      '--no-progress',
    ],
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}

describe('status', () => {
  it('tells hours that are rolled up, late, missing and empty', async () => {
    for (const hour of [1, 2, 3, 4, 5]) {
      put(hour, 'a', 'one\n');
      put(hour, 'b', 'two\n');
      put(hour, 'empty', '');
    }
    for (const hour of [1, 2, 3, 5]) await rollUp(hour);
    put(2, 'c', 'late\n');
    put(3, 'a', 'changed\n');
    for (const name of ['a', 'b', 'empty']) account.sandbox.delete(BUCKET, raw(5, name));
    account.sandbox.clearRequests();

    const { code, printed } = await account.json([...byStack, ...range(1, 6)]);
    expect(code).toBe(1);
    expect(printed['status']).toBe('incomplete');
    const row = (hour: number, counts: Record<string, unknown>) => ({
      hour: `2025-11-21T0${hour}`,
      source: `s3://${BUCKET}/raw/checkout/20251121/0${hour}/`,
      destination: `s3://${BUCKET}/aggregated/checkout/20251121/0${hour}/`,
      ...counts,
    });
    expect(printed['hours']).toEqual([
      row(1, { state: 'rolled-up', objects: 2, bytes: 8, rolledUp: 2, outputs: 1, late: 0 }),
      row(2, { state: 'late', objects: 3, bytes: 13, rolledUp: 2, outputs: 1, late: 1 }),
      row(3, { state: 'late', objects: 2, bytes: 12, rolledUp: 2, outputs: 1, late: 1 }),
      row(4, { state: 'missing', objects: 2, bytes: 8, rolledUp: 0, outputs: 0, late: 0 }),
      // Its raw objects have expired.
      row(5, { state: 'rolled-up', objects: 0, bytes: 0, rolledUp: 2, outputs: 1, late: 0 }),
      row(6, { state: 'empty', objects: 0, bytes: 0, rolledUp: 0, outputs: 0, late: 0 }),
    ]);
    const read = account.sandbox.requests.map(
      ({ operation, key = '' }) => `${operation} ${key.replace(/^.*\//, '')}`,
    );
    expect(new Set(read.map((line) => line.replace(/_sources-.*/, '_sources')))).toEqual(
      new Set(['GetObject _manifest.json', 'GetObject _sources', 'ListObjectsV2 ']),
    );
  });

  it('ends with 0 if nothing is late or missing, and prints a table', async () => {
    put(1, 'a', 'one\n');
    await rollUp(1);
    const args = ['status', '--source', TEMPLATE, '--destination', AGGREGATED, ...range(0, 1)];
    const { code, stdout, stderr } = await account.cli(args);
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['complete'],
      ['hour', 'raw objects', 'raw size', 'rolled up', 'outputs', 'late', 'state'],
      ['2025-11-21T00', '0', '0 B', '0', '0', '0', 'empty'],
      ['2025-11-21T01', '1', '4 B', '1', '1', '0', 'rolled-up'],
      [''],
    ]);
    expect(stderr).toMatch(/^reading: /);
    expect(account.stub.calls).toEqual([]);
  });

  it('looks at streams whose hour is in the middle of a name', async () => {
    const source = `s3://${BUCKET}/raw/cf/E2.{yyyy}-{MM}-{dd}-{HH}`;
    const streams = JSON.stringify([{ name: 'cdn', source, minute: 10 }]);
    account.stub.stacks[STACK] = { ...account.stub.stacks[STACK], [STACK_OUTPUTS.streams]: streams };
    for (const name of ['01.a', '01.b', '02.a'])
      account.sandbox.put(BUCKET, `raw/cf/E2.2025-11-21-${name}.log`, 'x\n');
    const destination = `s3://${BUCKET}/aggregated/cf/E2.{yyyy}-{MM}-{dd}-{HH}`;
    const run = await cli(account.sandbox, [
      'run',
      source,
      destination,
      '--hour',
      '2025-11-21T01',
      '--no-progress',
    ]);
    expect(run.code).toBe(0);
    const { printed } = await account.json(['status', '--stack', STACK, ...range(1, 3)]);
    const at = (hour: number, state: string, objects: number) => ({
      stream: 'cdn',
      hour: `2025-11-21T0${hour}`,
      state,
      objects,
      source: `s3://${BUCKET}/raw/cf/E2.2025-11-21-0${hour}`,
      destination: `s3://${BUCKET}/aggregated/cf/E2.2025-11-21-0${hour}/`,
    });
    expect(printed['hours']).toMatchObject([at(1, 'rolled-up', 2), at(2, 'missing', 1), at(3, 'empty', 0)]);
    const shown = await account.json([
      'backfill',
      '--stack',
      STACK,
      '--stream',
      'cdn',
      ...range(1, 1),
      '--dry-run',
    ]);
    expect(shown.printed['prefixes']).toEqual([
      { hour: '2025-11-21T01', source: at(1, '', 0).source, destination: at(1, '', 0).destination },
    ]);
  });

  it('takes a folder without its slash, and tells what lies beside it', async () => {
    put(1, 'a', 'one\n');
    await rollUp(1);
    const at = (source: string) => [
      ...['status', '--source', source, '--destination', AGGREGATED],
      ...range(1, 1),
    ];
    const without = at(TEMPLATE.slice(0, -1));
    const typedOut = at(`s3://${BUCKET}/raw/checkout/20251121/01`);
    for (const args of [without, typedOut])
      expect((await account.json(args)).printed['hours']).toMatchObject([
        { state: 'rolled-up', objects: 1, late: 0 },
      ]);
    account.sandbox.put(BUCKET, 'raw/checkout/20251121/01x.log', 'x\n');
    // A pattern is taken as it is written; the next run commits the hour so.
    const late = await account.json(without);
    expect(late.code).toBe(1);
    expect(late.printed['hours']).toMatchObject([{ state: 'late', objects: 2, late: 1 }]);
    const { code, printed } = await account.json(typedOut);
    expect(code).toBe(1);
    const [hour] = printed['hours'] as { state: string; problem: string }[];
    expect(hour?.state).toBe('unreadable');
    expect(hour?.problem).toContain('takes in raw/checkout/20251121/01x.log too');
  });

  it('looks at every stream of the stack if no source is given', async () => {
    const streams = ['checkout', 'search'].map((name) => ({
      name,
      source: TEMPLATE.replace('checkout', name),
      minute: 10,
    }));
    account.stub.stacks[STACK] = {
      ...account.stub.stacks[STACK],
      [STACK_OUTPUTS.streams]: JSON.stringify(streams),
    };
    put(1, 'a', 'one\n');
    await rollUp(1);
    account.sandbox.put(BUCKET, 'raw/search/20251121/01/a.log', 'one\n');
    const args = ['status', '--stack', STACK, ...range(1, 2)];
    const { code, printed } = await account.json(args);
    expect({ code, status: printed['status'] }).toEqual({ code: 1, status: 'incomplete' });
    const rows = printed['hours'] as Record<string, unknown>[];
    expect(rows.map(({ hour, stream, state }) => [hour, stream, state])).toEqual([
      ['2025-11-21T01', 'checkout', 'rolled-up'],
      ['2025-11-21T01', 'search', 'missing'],
      ['2025-11-21T02', 'checkout', 'empty'],
      ['2025-11-21T02', 'search', 'empty'],
    ]);
    expect(rows[1]).toMatchObject({ destination: `s3://${BUCKET}/aggregated/search/20251121/01/` });
    const { stdout } = await account.cli(args);
    expect(stdout).toMatch(/\n {2}hour +stream +raw objects .*\n {2}2025-11-21T01 {2}checkout +1 /);
  });

  it('shows an hour that has not ended as open, and not as missing', async () => {
    const hour = new Date().toISOString().slice(0, 13);
    const [, day = '', HH = ''] = /^(.*)T(..)$/.exec(hour) ?? [];
    account.sandbox.put(BUCKET, `raw/checkout/${day.replaceAll('-', '')}/${HH}/a.log`, 'now\n');
    const { code, printed } = await account.json([...byStack, '--from', hour, '--to', hour]);
    expect({ code, printed }).toMatchObject({ code: 0, printed: { hours: [{ state: 'open', objects: 1 }] } });
  });

  it('shows a manifest that it cannot read, and goes on', async () => {
    put(1, 'a', 'one\n');
    await rollUp(1);
    account.sandbox.put(BUCKET, 'aggregated/checkout/20251121/02/_manifest.json', '{}');
    const { code, printed } = await account.json([...byStack, ...range(1, 2)]);
    expect({ code, printed }).toMatchObject({
      code: 1,
      printed: {
        hours: [
          { state: 'rolled-up' },
          {
            state: 'unreadable',
            problem: expect.stringContaining('_manifest.json was not written by this') as string,
          },
        ],
      },
    });
  });

  it('fails if S3 denies the listing', async () => {
    account.sandbox.hook = ({ operation }) =>
      operation === 'ListObjectsV2' ? { kind: 'error', status: 403, code: 'AccessDenied' } : undefined;
    expect(await account.failure([...byStack, ...range(1, 9)])).toMatchObject({
      code: 1,
      error: { code: 'AccessDenied' },
    });
  });

  it.each<[string, string[], number, RegExp]>([
    ['a missing source', ['--destination', AGGREGATED], 2, /Give --stack or --source\./],
    [
      'a destination for all streams',
      ['--stack', STACK, '--destination', AGGREGATED],
      2,
      /--destination is for one --source/,
    ],
    ['a missing destination', ['--source', TEMPLATE], 2, /^Give --stack or --destination\.$/],
    [
      'a source outside the root',
      ['--stack', STACK, '--source', 's3://x/{dd}{HH}/'],
      1,
      /give --destination/,
    ],
    ['a bad source', ['--stack', STACK, '--source', '{dd}{HH}'], 2, /--source "2101" is not a location/],
  ])('refuses %s', async (_, args, code, message) => {
    const ended = await account.failure(['status', ...range(1, 1), ...args]);
    expect(ended.code).toBe(code);
    expect(ended.error['message']).toMatch(message);
  });
});
