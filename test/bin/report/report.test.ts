import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Report } from '../../../bin/report/report.ts';
import { formatCount } from '../../../bin/output/output.ts';
import { hasUnprintable } from '../../../lambda/printable.ts';
import { formatSize } from '../../../lambda/size.ts';
import { VERSION } from '../../../lambda/version.ts';
import { type Account, STACK, openAccount } from '../operator/operator-line.ts';
import { FROM, STREAMS, fillMonth, hoursOf } from './month.ts';

const DAYS = 30;
const RANGE = ['--stack', STACK, '--from', FROM, '--to', hoursOf(DAYS).at(-1) ?? ''];
const STATE = {
  ...{ 'rolled-up': 'rolled-up', 'without-figures': 'rolled-up', late: 'late' },
  ...{ missing: 'missing', empty: 'empty', foreign: 'unreadable', damaged: 'unreadable' },
} as const;

describe('a report of 30 days of 4 streams', () => {
  let account: Account;
  let folder: string;
  let kinds: Awaited<ReturnType<typeof fillMonth>>;
  let report: Report;
  let page: string;
  let requests: number;
  let connections: number;

  beforeAll(async () => {
    account = await openAccount();
    folder = await mkdtemp(join(tmpdir(), 'report-'));
    kinds = await fillMonth(account, DAYS);
    account.sandbox.clearRequests();
    account.sandbox.resetPeaks();
    const output = join(folder, 'page.html');
    const { code, printed } = await account.json(['report', ...RANGE, '--output', output]);
    requests = account.sandbox.requests.length;
    connections = account.sandbox.stats().peakConnections;
    expect(code).toBe(0);
    report = printed as unknown as Report;
    page = readFileSync(output, 'utf8');
  }, 120_000);
  afterAll(async () => {
    await account[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  test('every hour of every stream has the state that was made', () => {
    expect(report.hours).toHaveLength(kinds.size);
    for (const { hour, stream, state } of report.hours)
      expect([hour, stream, state]).toEqual([hour, stream, STATE[kinds.get(`${hour} ${stream}`) ?? 'empty']]);
    expect(report.status).toBe('incomplete');
  });

  test('values are those of status and of the manifests', async () => {
    const days = 2;
    const range = ['--stack', STACK, '--from', FROM, '--to', hoursOf(days).at(-1) ?? ''];
    const { printed } = await account.json(['status', ...range]);
    const hours = printed['hours'] as Record<string, unknown>[];
    expect(hours).toHaveLength(days * 24 * STREAMS.length);
    const states = new Set(hours.map(({ state }) => state));
    expect([...states].toSorted()).toEqual(['empty', 'late', 'missing', 'rolled-up', 'unreadable']);
    const common = report.hours.slice(0, hours.length).map((hour) => {
      const status: Partial<typeof hour> = { ...hour };
      delete status.committed;
      delete status.run;
      return status;
    });
    expect(common).toEqual(hours);
    const [hour] = report.hours.filter(({ state }) => state === 'rolled-up');
    const key = `${(hour?.destination ?? '').replace('s3://application-logs/', '')}_manifest.json`;
    const manifest = JSON.parse(account.sandbox.get('application-logs', key)?.toString() ?? '') as {
      totals: object;
      createdAt: string;
    };
    const { createdAt } = manifest;
    const { objects, bytes, outputs, outputBytes } = manifest.totals as NonNullable<
      typeof hour
    >['committed'] &
      object;
    expect(hour?.committed).toMatchObject({ createdAt, objects, bytes, outputs, outputBytes });
    const committed = report.hours.flatMap((row) => row.committed ?? []);
    expect(report.totals.objects).toBe(committed.reduce((sum, row) => sum + row.objects, 0));
    expect(report.sizes.sources.reduce((sum, count) => sum + count)).toBe(report.totals.objects);
    expect(report.sizes.outputs.reduce((sum, count) => sum + count)).toBe(report.totals.outputs);
  });

  test('figures are there where the manifest has them, and absent where it has none', () => {
    for (const { hour, stream, run } of report.hours) {
      const kind = kinds.get(`${hour} ${stream}`);
      expect(run?.by).toBe(kind === 'rolled-up' || kind === 'late' ? 'command-line' : undefined);
    }
    expect(report.cost.hoursWithFigures).toBeGreaterThan(2_000);
  });

  test('what is late, missing, foreign or damaged needs attention, each with the command that mends it', () => {
    const bad = report.hours.filter(({ state }) => ['late', 'missing', 'unreadable'].includes(state));
    expect(report.attention.map(({ hour, stream, kind }) => [hour, stream, kind])).toEqual(
      bad.map(({ hour, stream, state }) => [hour, stream, state]),
    );
    expect(
      report.attention.find(({ kind, stream }) => kind === 'missing' && stream === 'search')?.command,
    ).toMatch(
      /^s3-rollup rerun --stack LogRollup --source s3:\/\/application-logs\/raw\/search\/\d{8}\/\d\d\/$/,
    );
    const hostile = report.attention.find(({ kind, stream }) => kind === 'missing' && stream === STREAMS[3]);
    expect(hostile?.command).toContain(`'s3://application-logs/raw/x'\\''</script><b>/`);
  });

  test('an hour takes at most a manifest, an index, and a listing of raw; eight are read at once', () => {
    expect(requests).toBeLessThanOrEqual(3 * kinds.size + 5);
    expect(connections).toBeLessThanOrEqual(8);
  });

  test('the page is of a size that can be sent by mail, and names nothing to load', () => {
    expect(page.length).toBeLessThan(4_000_000);
    expect(page.includes("default-src 'none'")).toBe(true);
    const loads = /(?:src|href)="(?!data:)|url\((?!#)|@import|https?:\/\/[^"\\]*"/g;
    expect(page.replaceAll(/xmlns(:\w+)?="[^"]*"/g, '').match(loads)).toBeNull();
  });

  test('the data in the page are those of --json', () => {
    const [, text = ''] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page) ?? [];
    expect(JSON.parse(text)).toEqual(report);
  });

  test('what the page shows are the data', () => {
    const cells = [...page.matchAll(/<td data-state="([\w-]+)"[^>]* aria-label="([^"]*)">/g)];
    expect(cells).toHaveLength(report.hours.length);
    const counts = Object.entries(report.totals.hours).filter(([, count]) => count > 0);
    const shown = Map.groupBy(cells, ([, state]) => state);
    expect(new Map([...shown].map(([state, of]) => [state, of.length]))).toEqual(new Map(counts));
    const [late] = report.hours.filter(({ state }) => state === 'late');
    expect(cells.map(([, , label]) => label)).toContain(
      `${(late?.hour ?? '').replace('T', ' ')}:00 ${late?.stream ?? ''}: late; 2 raw objects, 10 B; 1 late; ` +
        `1 rolled up into 1 output of 5 B; in ${late?.run?.durationSeconds.toFixed(1) ?? ''} s by command-line ${VERSION}`,
    );
    const { objects, outputs, bytes } = report.totals;
    const facts = [...page.matchAll(/<th scope="row">([^<]*)<\/th><td>([^<]*)<\/td>/g)];
    const fact = new Map(facts.map(([, name, value]) => [name, value]));
    expect(fact.get('sources rolled up')).toBe(`${formatCount(objects)}, ${formatSize(bytes)}`);
    expect(fact.get('outputs')).toMatch(new RegExp(`^${formatCount(outputs)}, `));
    expect(fact.get('hours missing')).toBe(formatCount(report.totals.hours.missing));
    expect(page.match(/<tr><td>(late|missing|unreadable)<\/td>/g)).toHaveLength(report.attention.length);
  });

  test('names with markup, quotes and marks of direction stay text', () => {
    expect(page.match(/<\/script>/g)).toHaveLength(2);
    expect(page.includes('<b>')).toBe(false);
    expect(page.includes('x&quot;&#39;&lt;/script&gt;&lt;b&gt;\\u202e&amp;')).toBe(true);
    expect(hasUnprintable(page.replaceAll('\n', ''))).toBe(false);
  });
});

test('a range of more than ten years is refused before anything is read', async () => {
  await using account = await openAccount();
  const args = ['report', '--stack', STACK, '--from', '2010-01-01T00', '--to', '2025-01-01T00'];
  const { code, error } = await account.failure(args);
  expect(code).toBe(2);
  expect(error['message']).toBe('From 2010-01-01T00 to 2025-01-01T00 are more than ten years.');
  expect([account.stub.calls, account.sandbox.requests]).toEqual([[], []]);
});

test('dead letters of the stack need attention, and their command shows them first', async () => {
  await using account = await openAccount();
  await account.queues.send({ source: 's3://x/' }, account.queues.deadLetterUrl);
  const args = ['report', '--stack', STACK, '--from', FROM, '--to', FROM];
  const { printed } = await account.json(args);
  expect(printed).toMatchObject({
    status: 'incomplete',
    deadLetters: 1,
    deadLettersRead: { read: 1, elsewhere: 1 },
    attention: [{ kind: 'dead-letters', command: 's3-rollup redrive --stack LogRollup --dry-run' }],
  });
});
