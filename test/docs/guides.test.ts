import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PRICES } from '../../lambda/prices.ts';
import type { RequestClass } from '../../lambda/rollup/index.ts';
import { parseContext } from '../../lib/config/context.ts';
import { MiB } from '../../lambda/size.ts';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { environment, json } from '../bin/command-line.ts';
import { page } from '../lib/markdown.ts';
import { ROOT, runInShell, stepsOf } from './page-shell.ts';

/*
 * The commands of the guides, run one after the other as they stand in the page, over an hour of 120 objects; what they print is
 * compared with what the page shows.
 */

const BUCKET = 'application-logs';
const RAW = 'raw/checkout/20261121/08/';
const ROLLUP = 'aggregated/checkout/20261121/08/';

let sandbox: Sandbox;
let folder: string;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  folder = mkdtempSync(join(tmpdir(), 'guide-'));
  for (let i = 100; i < 220; i++)
    sandbox.put(BUCKET, `${RAW}app-${i}.log`, `a line of app ${i}\n`.repeat(3_000));
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  await sandbox.close();
});

/** Without the digests in names of outputs, which change with the defaults of settings. */
const masked = (text: string): string => text.replaceAll(/-[0-9a-f]{12}\b/g, '-<digest>');

/** Runs all steps of a page, and looks at what each prints. */
async function walk(name: string): Promise<void> {
  for (const { commands, printed } of stepsOf(name)) {
    const stdout = masked(await runInShell(commands, folder, environment(sandbox.endpoint)));
    if (printed !== undefined)
      expect(stdout.slice(0, masked(printed).length), commands).toBe(masked(printed));
  }
}

describe('the guides', () => {
  it('first hour: plan, run, verify, extract, and what undoes it', async () => {
    const before = sandbox.keys(BUCKET, 'raw/');
    await walk('guides/first-hour.md');
    expect(sandbox.keys(BUCKET, '')).toEqual(before);
  });

  it('a local S3: it has the objects of the guides, and its own commands roll them up', async () => {
    const objects = sandbox.keys(BUCKET, 'raw/').map((key) => [key, sandbox.get(BUCKET, key)?.toString()]);
    for (const [key = ''] of objects) sandbox.delete(BUCKET, key);
    const [, ...steps] = stepsOf('local-s3.md');
    const commands = steps.map((step) => step.commands).join('');
    expect(commands).toContain('AWS_ENDPOINT_URL=http://127.0.0.1:9000');
    const here = commands.replace('http://127.0.0.1:9000', sandbox.endpoint);
    const stdout = await runInShell(here, folder, environment(sandbox.endpoint), ROOT);
    expect(stdout).toContain('compared     every byte of both sides\na line of app 107\na line of app 107\n');
    for (const [key = '', body] of objects) expect(sandbox.get(BUCKET, key)?.toString()).toBe(body);
  });

  it('undo an hour: what has expired in raw is restored, and the rollup deleted', async () => {
    const before = sandbox.keys(BUCKET, 'raw/');
    await json(sandbox, ['run', `s3://${BUCKET}/${RAW}`, `s3://${BUCKET}/${ROLLUP}`]);
    for (const key of before.slice(0, 100)) sandbox.delete(BUCKET, key);
    await walk('guides/undo.md');
    expect(sandbox.keys(BUCKET, '')).toEqual(before);
    expect(sandbox.get(BUCKET, `${RAW}app-107.log`)?.toString()).toBe('a line of app 107\n'.repeat(3_000));
  });

  it('tuning: the same hour to two places', async () => {
    await walk('guides/tuning.md');
    expect(sandbox.keys(BUCKET, 'trial/').filter((key) => key.endsWith('_manifest.json'))).toHaveLength(2);
  });

  it('a year of archive: the hours that are missing or late are listed, rolled up and compared', async () => {
    const at = (hour: string, prefix: string): string =>
      `s3://${BUCKET}/${prefix}/checkout/20261121/${hour}/`;
    for (const hour of ['06', '07']) sandbox.put(BUCKET, `raw/checkout/20261121/${hour}/a.log`, `${hour}\n`);
    await json(sandbox, ['run', at('06', 'raw'), at('06', 'aggregated')]);
    await json(sandbox, ['run', at('07', 'raw'), at('07', 'aggregated')]);
    sandbox.put(BUCKET, 'raw/checkout/20261121/07/late.log', 'late\n');
    const [settings] = stepsOf('guides/first-hour.md');
    await runInShell(settings?.commands ?? '', folder, environment(sandbox.endpoint));
    await walk('guides/year-of-archive.md');
    expect(sandbox.get(BUCKET, `${ROLLUP}_manifest.json`)?.toString()).toContain('"count": 120');
  });
});

describe('the table of a year of archive', () => {
  const HOURS = 8_760;
  const RAW_BYTES = 16e9 / 30_000;
  const counts = [3_000, 30_000, 300_000];
  const outputsOf = (objects: number): number =>
    Math.round((objects * RAW_BYTES) / (32 * MiB + RAW_BYTES / 2));
  const dollars = (value: number): string =>
    `$${value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  const inAll = (value: number): string => (value * HOURS).toLocaleString('en-US');
  const of = (requestClass: RequestClass, requests: number): string =>
    dollars((HOURS * requests * PRICES.per1000[requestClass]) / 1000);
  const uploads = (objects: number, parts: number): number => outputsOf(objects) * (parts + 2) + 2;
  const tera = (objects: number): string =>
    `${((objects * RAW_BYTES * HOURS) / 1e12).toLocaleString('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 })} TB`;

  it.each<[string, (objects: number) => string]>([
    ['raw objects', inAll],
    ['raw bytes', tera],
    ['outputs', (objects) => inAll(outputsOf(objects))],
    ['LIST', (objects) => of('list', objects / 1000 + 3)],
    ['GET', (objects) => of('get', objects)],
    ['PUT, in parts of 32 MiB', (objects) => of('put', uploads(objects, 2))],
    ['PUT, one an output (`partSize` 64 MiB)', (objects) => of('put', outputsOf(objects) + 2)],
    ['`verify --deep` of all', (objects) => of('get', objects + outputsOf(objects))],
    [
      'a month of one copy, S3 Standard',
      (objects) => dollars(((objects * RAW_BYTES * HOURS) / 1e9) * PRICES.storedGBMonth),
    ],
  ])('says of "%s" what the prices of plan give', (name, value) => {
    const row = page('guides/year-of-archive.md')
      .split('\n')
      .find((line) => line.startsWith(`| ${name} `));
    const cells = row?.split('|').slice(2, -1) ?? [];
    expect(cells.map((cell) => cell.trim())).toEqual(counts.map(value));
  });
});

it('the guide to tuning shows what a deployment says whose outputs do not fit into its memory', () => {
  const [, shown = ''] = /^ {4}(memorySize: .*)$/m.exec(page('guides/tuning.md')) ?? [];
  expect(() => parseContext({ targetSize: '128MiB', outputsInFlight: 8, memorySize: 1_024 })).toThrow(shown);
});
