import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { formatFailure } from '../../../bin/output/failure.ts';
import { bucketsOf, formatHistogram } from '../../../bin/output/histogram.ts';
import { formatDollars, formatNoun } from '../../../bin/output/output.ts';
import { type Progress, formatTimeLeft, showProgress } from '../../../bin/output/progress.ts';
import { RunTally } from '../../../bin/output/tally.ts';
import { RollupError } from '../../../lambda/errors.ts';
import type { RollupEvent } from '../../../lambda/rollup/model/events.ts';

const MiB = 2 ** 20;

/** A terminal or a file that keeps the written text. */
class FakeStream extends EventEmitter {
  written = '';
  readonly columns = 80;
  readonly isTTY: boolean;
  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }
  write(text: string): boolean {
    this.written += text;
    return true;
  }
}

describe('progress', () => {
  const listing: Progress = { phase: 'listing', brief: '7 objects', full: '7 objects listed' };
  const half: Progress = { phase: 'rolling up', done: 0.509, brief: '1/2', full: 'x'.repeat(90) };

  it('is a line for every new phase where there is no terminal', () => {
    const stream = new FakeStream(false);
    let now = listing;
    const display = showProgress(() => now, { enabled: true, stream });
    for (now of [listing, listing, half, half]) display.update();
    display.stop();
    expect(stream.written).toBe(`listing: 7 objects listed\nrolling up: 50%, ${'x'.repeat(90)}\n`);
  });

  it('ends with a last line if there is no terminal and the command succeeded', () => {
    const stream = new FakeStream(false);
    let now = listing;
    const display = showProgress(() => now, { enabled: true, stream });
    display.update();
    now = { ...listing, full: '9 objects listed' };
    display.finish();
    display.stop();
    expect(stream.written).toBe('listing: 7 objects listed\ndone: 9 objects listed\n');
  });

  it('is a bar that fits on a terminal, and is gone at the end', () => {
    const stream = new FakeStream(true);
    let now = listing;
    const display = showProgress(() => now, { enabled: true, stream });
    now = half;
    display.update();
    display.stop();
    // eslint-disable-next-line no-control-regex -- cursor movements are what it splits at
    const drawn = stream.written.split(/\u001b(?:\[[0-9;?]*[A-Za-z]|[78])/).filter((text) => text !== '');
    expect(drawn).toContain(`listing     ${'░'.repeat(16)}       7 objects listed`);
    expect(drawn.at(-1)).toBe(`rolling up  ${'█'.repeat(8)}${'░'.repeat(8)}  50%  1/2`);
    expect(stream.written.endsWith('\u001b[2K')).toBe(true);
    for (const text of drawn) expect(text.length).toBeLessThan(80);
  });

  it('writes nothing when it is turned off', () => {
    const stream = new FakeStream(true);
    const display = showProgress(() => half, { enabled: false, stream });
    display.update();
    display.stop();
    expect(stream.written).toBe('');
  });
});

describe('the time that is left', () => {
  it.each([
    ['of a second half', { done: 50, total: 100, seconds: 65 }, '1:05 left'],
    ['of hours', { done: 1, total: 3, seconds: 3_900 }, '2:10:00 left'],
    ['is not told at the very beginning', { done: 1, total: 100, seconds: 1 }, undefined],
    ['is not told before anything was done', { done: 0, total: 100, seconds: 60 }, undefined],
    ['is not told at the end', { done: 100, total: 100, seconds: 60 }, undefined],
  ])('%s', (_, progress, text) => {
    expect(formatTimeLeft(progress)).toBe(text);
  });
});

describe('the tally of a run', () => {
  const planned: RollupEvent = { type: 'planned', objects: 4, bytes: 4 * MiB, outputs: 2 };
  const read: RollupEvent = { type: 'read', objects: 2, bytes: 2 * MiB };
  const output: RollupEvent = { type: 'output', key: 'k', how: 'written', bytes: 2 * MiB, sources: 2 };

  it.each<[name: string, events: RollupEvent[], progress: Partial<Progress>]>([
    ['nothing yet', [], { phase: 'listing', full: '0 objects listed' }],
    [
      'a page',
      [{ type: 'listed', objects: 1_000, bytes: 1 }],
      { phase: 'listing', full: '1,000 objects listed' },
    ],
    [
      'half of it',
      [planned, read, output],
      {
        phase: 'rolling up',
        done: 0.5,
        brief: '2 MiB/4 MiB 1 MiB/s 0:02 left 2/4 objects',
        full: '2 of 4 objects, 2 MiB of 4 MiB, 1 MiB/s, 0:02 left, 1 of 2 outputs, in use',
      },
    ],
    [
      'some of it, while the listing goes on',
      [{ type: 'listed', objects: 3, bytes: 3 * MiB }, { type: 'begun', key: 'k', bytes: 2 * MiB }, read],
      {
        phase: 'rolling up',
        brief: '2 MiB/3 MiB+ 1 MiB/s 2/3+ objects',
        full: '2 of 3+ objects, 2 MiB of 3 MiB+, 1 MiB/s, 0 outputs, in use',
      },
    ],
    ['all of it', [planned, read, read, output, output], { phase: 'committing', done: 1 }],
    [
      'nothing new',
      [
        { type: 'listed', objects: 3, bytes: 1 },
        { ...planned, objects: 0, bytes: 0, outputs: 0 },
      ],
      { done: 1, full: 'nothing new among 3 objects' },
    ],
    [
      'a second attempt',
      [
        planned,
        read,
        read,
        output,
        output,
        { type: 'lost', attempt: 1 },
        { type: 'listed', objects: 1, bytes: 1 },
      ],
      { phase: 'listing', full: '1 object listed, attempt 2: another run committed first' },
    ],
  ])('after %s', (_, events, progress) => {
    let ms = 0;
    const tally = new RunTally({ now: () => ms, inUse: () => 'in use' });
    for (const event of events) tally.add(event);
    ms = 2_000;
    expect(tally.read()).toMatchObject(progress);
  });
});

describe('histogram', () => {
  it('has a bucket for every power of two between the least and the most', () => {
    expect(bucketsOf([100, 130, 255, 256, 1_024])).toEqual([
      { from: 64, below: 128, objects: 1, bytes: 100 },
      { from: 128, below: 256, objects: 2, bytes: 385 },
      { from: 256, below: 512, objects: 1, bytes: 256 },
      { from: 512, below: 1_024, objects: 0, bytes: 0 },
      { from: 1_024, below: 2_048, objects: 1, bytes: 1_024 },
    ]);
    expect(bucketsOf([])).toEqual([]);
  });

  it('draws a bar for the rarest size, too', () => {
    const lines = formatHistogram(bucketsOf([1, ...Array<number>(5_000).fill(4)]));
    expect(lines).toEqual([
      '  1 B  to 2 B      1  ▏',
      '  2 B  to 4 B      0',
      `  4 B  to 8 B  5,000  ${'█'.repeat(32)}`,
    ]);
  });

  it('leaves a long gap out', () => {
    expect(formatHistogram(bucketsOf([1, 1_000]))).toEqual([
      `    1 B  to 2 B    1  ${'█'.repeat(32)}`,
      '      …',
      `  512 B  to 1 KiB  1  ${'█'.repeat(32)}`,
    ]);
  });
});

describe('an error', () => {
  const error = new RollupError('SourceChanged', 'a.log changed.', { key: 'a.log', cause: new Error('412') });

  it.each([
    ['known', error, false, 'error: a.log changed. (SourceChanged)\n'],
    [
      'known, as JSON',
      error,
      true,
      '{"error":{"code":"SourceChanged","message":"a.log changed.","key":"a.log"}}\n',
    ],
    ['unexpected', new TypeError('x is not a function'), false, 'error: x is not a function (Unexpected)\n'],
    ['no error at all', 'thrown', true, '{"error":{"code":"Unexpected","message":"thrown"}}\n'],
  ])('that is %s', (_, thrown, asJson, text) => {
    expect(formatFailure(thrown, { json: asJson })).toBe(text);
  });
});

it.each([
  [0, '$0.0000'],
  [0.000015, '$0.000015'],
  [0.0124, '$0.0124'],
  [12.5, '$12.50'],
])('%d dollars are %s', (amount, text) => {
  expect(formatDollars(amount)).toBe(text);
});

it('formatNoun writes the plural for all counts but 1', () => {
  expect([0, 1, 2_000].map((count) => formatNoun(count, 'object'))).toEqual([
    '0 objects',
    '1 object',
    '2,000 objects',
  ]);
});
