import { serialize } from 'node:v8';
import { expect, test } from 'vitest';
import { attentionOf } from '../../../bin/report/attention.ts';
import { chartsOf } from '../../../bin/report/charts.ts';
import { type HourReport, type SizesOfBoth, readHourReport } from '../../../bin/report/hour-report.ts';
import { formatPage } from '../../../bin/report/page.ts';
import { type Report, reportOf } from '../../../bin/report/report.ts';
import { type RunFigures, formatHour, parseHour } from '../../../lambda/rollup/index.ts';
import { DESTINATION, SOURCE, openTestBucket } from '../../support/test-bucket.ts';

const GiB = 1024 ** 3;
const NO_SIZES: SizesOfBoth = { sources: [], outputs: [] };
const FIGURES: RunFigures = {
  ...{ version: '1.0.0', startedAt: '2016-01-01T01:05:00.000Z', durationSeconds: 10, by: 'function' },
  requests: { list: 1, get: 2, put: 3, copy: 4, delete: 5, retries: 6 },
  peak: { connections: 64, rssBytes: GiB / 2, fileDescriptors: 100, inFlightBytes: 9 },
  ...{ memoryLimitBytes: GiB, continuations: 0 },
};

/** Hours that are rolled up, one after another; the n-th of a day has n outputs and took n seconds. */
function hoursFrom(first: string, count: number, peak: Partial<RunFigures['peak']> = {}): HourReport[] {
  const began = Date.parse(`${first}:00:00Z`);
  return Array.from({ length: count }, (_, i) => ({
    ...{ hour: formatHour(new Date(began + i * 3_600_000)), state: 'rolled-up', source: 's3://a/raw/' },
    ...{ destination: 's3://a/to/', objects: 10, bytes: 100, rolledUp: 10, outputs: i % 24, late: 0 },
    committed: {
      ...{ version: 1, generation: 1, createdAt: '2016-01-01T01:05:00.000Z', objects: 10, bytes: 100 },
      ...{ outputs: i % 24, outputBytes: 100 },
    },
    run: { ...FIGURES, durationSeconds: i % 24, peak: { ...FIGURES.peak, ...peak } },
  }));
}

function reportFrom(hours: readonly HourReport[]): Report {
  const { hour: from = '' } = hours[0] ?? {};
  const { hour: to = '' } = hours.at(-1) ?? {};
  const about = { stack: undefined, deadLetters: undefined, sizes: NO_SIZES };
  return reportOf(hours, { from, to, now: new Date(0), ...about });
}

test.each([
  [800, 'Outputs by hour. outputs: from 0 to 23.', 'Longest run by hour. seconds: from 0 s to 23 s.'],
  // 33 days and 9 hours: a day sums up to 276 outputs, the last to 36.
  [801, 'Outputs by day. outputs: from 36 to 276.', 'Longest run by day. seconds: from 8 s to 23 s.'],
])('%i hours are drawn as %s', (count, outputs, longest) => {
  const summaries = chartsOf(reportFrom(hoursFrom('2016-01-01T00', count))).map(({ summary }) => summary);
  expect(summaries).toContain(outputs);
  expect(summaries).toContain(longest);
});

test('the longest range of several streams has a page', () => {
  // More than a function takes as its arguments.
  const report = reportFrom(hoursFrom('2003-01-01T00', 130_000));
  const attention = Array.from({ length: 1_000 }, () => ({
    kind: 'late' as const,
    what: 'x'.repeat(99),
    command: 'y',
  }));
  let [written, longest] = [0, 0];
  for (const text of formatPage({ ...report, attention }, chartsOf(report).slice(0, 1))) {
    written += text.length;
    longest = Math.max(longest, text.length);
  }
  // No piece is of all hours.
  expect(longest).toBeLessThan(1_000_000);
  expect(written).toBeGreaterThan(130_000 * 100);
});

test.each<[string, Partial<RunFigures['peak']>, RunFigures['by'], string[]]>([
  ['nothing is near', {}, 'function', []],
  ['just below nine tenths of the descriptors', { fileDescriptors: 921 }, 'function', []],
  [
    'nine tenths of the descriptors',
    { fileDescriptors: 922 },
    'function',
    ['922 of 1,024 file descriptors were open'],
  ],
  ['descriptors of several processes', { fileDescriptors: 2_000 }, 'workers', []],
  ['nine tenths of memory', { rssBytes: 0.9 * GiB }, 'function', ["90% of the function's memory was in use"]],
  [
    'both',
    { fileDescriptors: 1_024, rssBytes: GiB },
    'function',
    ['1,024 of 1,024 file descriptors were open', "100% of the function's memory was in use"],
  ],
])('peaks: %s', (_, peak, by, expected) => {
  const [hour] = hoursFrom('2026-11-21T08', 1, peak);
  if (hour?.run === undefined) throw new Error('no hour');
  const rows = attentionOf([{ ...hour, stream: 'checkout', run: { ...hour.run, by } }], {
    ...{ stack: undefined, deadLetters: undefined },
  });
  const advice = ': lower concurrency or outputsInFlight, or raise memorySize.';
  const at = { kind: 'limit', hour: '2026-11-21T08', stream: 'checkout' };
  const command = 's3-rollup plan s3://a/raw/ s3://a/to/';
  expect(rows).toEqual(expected.map((what) => ({ ...at, what: what + advice, command })));
});

test('a limit that is near does not make a range incomplete', () => {
  expect(reportFrom(hoursFrom('2026-11-21T08', 1, { rssBytes: GiB })).status).toBe('complete');
});

test('what is kept of an hour does not grow with the objects in it; sizes are added up', async () => {
  await using bucket = await openTestBucket();
  const total: SizesOfBoth = { sources: [], outputs: [] };
  const kept: number[] = [];
  for (const count of [1, 400]) {
    for (let i = 0; i < count; i++) bucket.put(`${i}.log`, 'x'.repeat(1_000) + '\n');
    await bucket.roll();
    const request = { source: SOURCE, destination: DESTINATION };
    const hour = await readHourReport(
      bucket.connection,
      parseHour('2026-11-21T08'),
      request,
      new Date(),
      total,
    );
    expect(hour.committed?.objects).toBe(count);
    kept.push(serialize(hour).length);
  }
  const [one = 0, many = 0] = kept;
  expect(many).toBeLessThan(one + 100);
  // 1,001 bytes are from 512 on.
  expect(total.sources).toEqual([...Array.from({ length: 9 }, () => 0), 401]);
});
