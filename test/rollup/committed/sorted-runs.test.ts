import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SortedRuns } from '../../../lambda/rollup/committed/sorted-runs.ts';
import type { StoredSource } from '../../../lambda/rollup/model/manifest.ts';
import { inKeyOrder } from '../../support/planning.ts';

/** The sources of an index: by output, and in key order within each. */
function indexOf(outputs: string[][]): StoredSource[] {
  return outputs
    .flatMap((keys, i) =>
      keys
        .map((key) => ({ key, etag: `e${key.length}`, size: 1, lastModified: '', offset: 0, length: 1 }))
        .toSorted(inKeyOrder)
        .map((source) => ({ ...source, output: `part-${i}` })),
    )
    .map((source, ordinal) => ({ ...source, ordinal }));
}

async function* some<T>(items: T[], atATime: number): AsyncGenerator<T[]> {
  for (let at = 0; at < items.length; at += atATime)
    yield await Promise.resolve(items.slice(at, at + atATime));
}

async function read(
  sources: StoredSource[],
  atATime: number,
): Promise<[first: StoredSource[], last: StoredSource[]]> {
  const lines = sources.map((source) => JSON.stringify({ ...source, ordinal: undefined }));
  const runs = await SortedRuns.read(some(lines, atATime), 'the index');
  const first = await Array.fromAsync(runs.merge(some(sources, atATime), false));
  const last = await Array.fromAsync(runs.merge(some(sources, atATime), true));
  return [first.flat(), last.flat()];
}

/** A plain sort, which is stable. */
function sorted(sources: StoredSource[]): StoredSource[] {
  return sources.toSorted(inKeyOrder);
}

const anyKey = fc.string({ unit: fc.constantFrom('a', 'b', '/', '"', '\uffff', '😀'), maxLength: 4 });

it('any outputs of any keys are read in key order, those of one key by their place, twice', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(anyKey, { minLength: 1, maxLength: 8 }), { maxLength: 12 }),
      fc.integer({ min: 1, max: 7 }),
      async (outputs, atATime) => {
        const sources = indexOf(outputs);
        expect(await read(sources, atATime)).toEqual([sorted(sources), sorted(sources)]);
      },
    ),
  );
});

it.each<[name: string, outputs: string[][]]>([
  ['one kind', grouped(20_000, 1, 500)],
  ['two kinds', grouped(20_000, 2, 500)],
  ['a thousand groups', grouped(20_000, 1000, 5)],
  ['late ones behind all', [...grouped(20_000, 1, 500), ...grouped(300, 1, 50, 'late')]],
  [
    'late ones behind all, three times',
    [...grouped(9000, 3, 500), ...grouped(9000, 2, 50, 'x'), ...grouped(9000, 1, 70, 'y')],
  ],
  ['outputs from the last to the first', grouped(5000, 1, 10).toReversed()],
  ['lines that are longer than a block', grouped(60, 30, 1, 'x'.repeat(9000))],
])('%s', async (_, outputs) => {
  const sources = indexOf(outputs);
  expect(await read(sources, 640)).toEqual([sorted(sources), sorted(sources)]);
});

/** Outputs of an hour whose keys belong to groups in turn, as kinds and folders do. Each output of a group has `each` keys. */
function grouped(count: number, groups: number, each: number, suffix = ''): string[][] {
  const outputs: string[][] = [];
  const open = new Map<number, string[]>();
  for (let i = 0; i < count; i++) {
    const group = (i * 7) % groups;
    const keys = open.get(group) ?? [];
    open.set(group, keys);
    keys.push(`raw/${String(i).padStart(7, '0')}-${group}${suffix}`);
    if (keys.length < each) continue;
    outputs.push(keys);
    open.delete(group);
  }
  return [...outputs, ...open.values()];
}
