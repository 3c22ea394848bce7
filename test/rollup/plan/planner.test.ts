import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PlannedOutput } from '../../../lambda/rollup/model/output.ts';
import type { ListedObject } from '../../../lambda/rollup/model/store.ts';
import { type Plan, type PlanInput, planRollup } from '../../../lambda/rollup/plan/planner.ts';
import { type CarriedOut, SIDES, carriedOut, inKeyOrder, listed } from '../../support/planning.ts';

const TARGET = 100;
const KINDS = {
  '.log': 'plain',
  '.json': 'plain',
  '': 'plain',
  '.log.gz': 'gzip',
  '.zst': 'zstd',
  '.bz2': 'bzip2',
  '.xz': 'xz',
};
type Suffix = keyof typeof KINDS;

function planOf(objects: ListedObject[], committed?: CarriedOut, more: Partial<PlanInput> = {}): Plan {
  return planRollup({
    listed: objects.toSorted(inKeyOrder),
    committed,
    ...SIDES,
    // Some keys end in a name such as `.log`, which is hidden otherwise.
    settings: { targetSize: TARGET, newline: 'ensure', filters: [{ include: '*' }] },
    ...more,
  });
}

function keysIn(outputs: PlannedOutput[]): string[] {
  return outputs.flatMap(({ pieces }) => pieces.map(({ source }) => source.key));
}

/** The changes from one listing to the next. */
interface Step {
  put: ListedObject[];
  /** Positions in the listing, in thousandths of its length. */
  removed: number[];
  changed: number[];
  repack: boolean;
}

const anyKey = fc
  .tuple(
    fc.string({ unit: fc.constantFrom('a', 'b', '/', '\uffff', '😀'), minLength: 1, maxLength: 4 }),
    fc.constantFrom(...(Object.keys(KINDS) as Suffix[])),
  )
  .map(([name, suffix]) => `raw/app/x${name}${suffix}`);
const anySize = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 0, max: 60 }) },
  { weight: 1, arbitrary: fc.integer({ min: TARGET - 1, max: TARGET * 3 }) },
);
const anyStep: fc.Arbitrary<Step> = fc.record({
  put: fc.array(
    fc.tuple(anyKey, anySize).map(([key, size]) => listed(key, size)),
    { maxLength: 30 },
  ),
  removed: fc.array(fc.nat(999), { maxLength: 6 }),
  changed: fc.array(fc.nat(999), { maxLength: 3 }),
  repack: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

/** Runs the steps one after another, each from the commit of the one before. */
function forEachStep(
  steps: Step[],
  check: (plan: Plan, listing: ListedObject[], committed: CarriedOut | undefined, repack: boolean) => void,
): void {
  let raw = new Map<string, ListedObject>();
  let committed: CarriedOut | undefined;
  let version = 1;
  for (const { put, removed, changed, repack } of steps) {
    const keys = [...raw.keys()];
    const at = (places: number[]): string[] =>
      places.flatMap((place) => keys[Math.floor((place * keys.length) / 1000)] ?? []);
    raw = new Map(raw);
    for (const key of at(removed)) raw.delete(key);
    for (const key of at(changed)) raw.set(key, listed(key, raw.get(key)?.size ?? 7, version));
    for (const object of put) if (!raw.has(object.key)) raw.set(object.key, object);
    version++;
    const listing = [...raw.values()].toSorted(inKeyOrder);
    const plan = planOf(listing, committed, { repack });
    check(plan, listing, committed, repack);
    committed = carriedOut(plan, committed);
  }
}

function assertSteps(check: Parameters<typeof forEachStep>[1]): void {
  fc.assert(
    fc.property(fc.array(anyStep, { minLength: 1, maxLength: 5 }), (steps) => {
      forEachStep(steps, check);
    }),
    { numRuns: 150 },
  );
}

describe('for any history of a prefix, a plan', () => {
  it('holds every source that is not empty once: as it is now, or as it was committed if it has left raw', () => {
    assertSteps((plan, listing, committed) => {
      const expected = new Map((committed?.sources ?? []).map(({ key, etag }) => [key, etag]));
      for (const { key, etag, size } of listing) if (size > 0) expected.set(key, etag);
      const held = carriedOut(plan, committed).sources.map(({ key, etag }) => [key, etag]);
      expect(held.toSorted()).toEqual([...expected].toSorted());
    });
  });

  it('seals exactly the outputs of which no source has changed', () => {
    assertSteps((plan, listing, committed, repack) => {
      const now = new Map(listing.filter(({ size }) => size > 0).map(({ key, etag }) => [key, etag]));
      const touched = new Set(
        (committed?.sources ?? [])
          .filter(({ key, etag }) => (now.get(key) ?? etag) !== etag)
          .map(({ output }) => output),
      );
      const kept = (committed?.manifest.outputs ?? []).filter(({ key }) => !repack && !touched.has(key));
      expect(plan.sealed).toEqual(kept);
    });
  });

  it('reads exactly those sources from a committed output that are no longer in raw', () => {
    assertSteps((plan, listing, committed) => {
      const inRaw = new Set(listing.filter(({ size }) => size > 0).map(({ key }) => key));
      const sources = new Map((committed?.sources ?? []).map((held) => [held.key, held]));
      for (const { source, from } of plan.planned.flatMap(({ pieces }) => pieces)) {
        const held = sources.get(source.key);
        const expected = inRaw.has(source.key)
          ? undefined
          : { key: held?.output, etag: `etag-of-${held?.output ?? ''}`, offset: held?.offset };
        if (expected === undefined) expect(from).toBeUndefined();
        else expect(from).toMatchObject(expected);
      }
    });
  });

  it('keeps kinds apart, each in key order, and closes outputs at the target size', () => {
    assertSteps(({ planned }) => {
      for (const [kind, outputs] of Map.groupBy(planned, (output) => output.kind)) {
        const pieces = outputs.flatMap((output) => output.pieces);
        expect(pieces.map(({ source }) => source)).toEqual(
          pieces.map(({ source }) => source).toSorted(inKeyOrder),
        );
        for (const { source } of pieces) {
          const suffix = /x[^.]*(.*)$/su.exec(source.key)?.[1] ?? '';
          expect(KINDS[suffix as Suffix]).toBe(kind);
        }
        for (const [i, output] of outputs.entries()) {
          const last = output.pieces.at(-1)?.source.size ?? 0;
          expect(output.size).toBe(output.pieces.reduce((sum, { source }) => sum + source.size, 0));
          expect(output.size - last).toBeLessThan(TARGET);
          expect(output.mode === 'copy').toBe(last >= TARGET);
          if (output.mode === 'copy') expect(output.pieces).toHaveLength(1);
          const next = outputs[i + 1];
          if (next?.mode === 'assemble') expect(output.size).toBeGreaterThanOrEqual(TARGET);
        }
      }
    });
  });

  it('gives outputs keys that no committed output has, with growing indices', () => {
    assertSteps(({ planned, generation }, _, committed, repack) => {
      const before = committed?.manifest.outputs.map(({ key }) => key) ?? [];
      const keys = planned.map(({ key }) => key);
      expect(new Set([...before, ...keys]).size).toBe(before.length + keys.length);
      const first = repack
        ? 0
        : Math.max(-1, ...before.map((key) => Number(/part-(\d+)/.exec(key)?.[1]))) + 1;
      expect(planned.map(({ index }) => index)).toEqual(planned.map((_, i) => first + i));
      expect(
        keys.map((key) => Number(/^aggregated\/app\/part-(\d{5})-[0-9a-f]{12}[.a-z0-9]+$/.exec(key)?.[1])),
      ).toEqual(planned.map(({ index }) => index));
      expect(generation).toBe((committed?.manifest.generation ?? 0) + (repack ? 1 : 0));
    });
  });

  it('is the same for the same input, and empty if all is committed already', () => {
    assertSteps((plan, listing, committed, repack) => {
      expect(planOf(listing, committed, { repack })).toEqual(plan);
      expect(planOf(listing, carriedOut(plan, committed)).planned).toEqual([]);
    });
  });
});

describe('an output', () => {
  const small = (n: number, size = 30): ListedObject[] =>
    Array.from({ length: n }, (_, i) => listed(`k${String(i).padStart(3, '0')}.log`, size));

  it.each([
    ['a source one byte below the target', [99], [['assemble', 99]]],
    ['a source of the target size', [100], [['copy', 100]]],
    ['a source one byte above the target', [101], [['copy', 101]]],
    ['a source below the target, and one that just fills it', [99, 1], [['assemble', 100]]],
    ['a source below the target, and one that more than fills it', [99, 99], [['assemble', 198]]],
    [
      'a large source between small ones',
      [10, 250, 20, 30],
      [
        ['assemble', 10],
        ['copy', 250],
        ['assemble', 50],
      ],
    ],
    [
      'a large source right after an output was closed',
      [60, 40, 100, 1],
      [
        ['assemble', 100],
        ['copy', 100],
        ['assemble', 1],
      ],
    ],
    ['nothing but empty objects', [0, 0], []],
    ['nothing', [], []],
  ])('for a listing of %s', (_, sizes, outputs) => {
    const objects = sizes.map((size, i) => listed(`k${i}.log`, size));
    expect(planOf(objects).planned.map(({ mode, size }) => [mode, size])).toEqual(outputs);
  });

  it.each([
    ['what its sources share', ['a.json', 'b.JSON'], '.json'],
    ['what its sources share, of two', ['a.json.gz', 'b.json.gz'], '.json.gz'],
    ['.log where they share none', ['a.json', 'b.txt'], '.log'],
    ['.log where they have none', ['a', 'b'], '.log'],
    ['.log.gz where gzip ones share none', ['a.json.gz', 'b.log.gz'], '.log.gz'],
    ['.log.zst', ['a.x.zst', 'b.y.zst'], '.log.zst'],
  ])('has the extension %s', (_, keys, extension) => {
    const [output] = planOf(keys.map((key) => listed(key, 5))).planned;
    expect(output?.key).toMatch(new RegExp(`^aggregated/app/part-00000-[0-9a-f]{12}\\${extension}$`));
  });

  const shapes: [string, () => Plan][] = [
    ['an ETag', () => planOf([listed('a', 5, 1), listed('b', 5)])],
    ['a size', () => planOf([listed('a', 6), listed('b', 5)])],
    ['a key', () => planOf([listed('A', 5), listed('b', 5)])],
    ['one source more', () => planOf([listed('a', 5), listed('b', 5), listed('c', 5)])],
    [
      'the newline rule',
      () =>
        planOf([listed('a', 5), listed('b', 5)], undefined, {
          settings: { targetSize: TARGET, newline: 'none' },
        }),
    ],
    [
      'the generation',
      () => planOf([listed('a', 5), listed('b', 5)], carriedOut(planOf([]), undefined), { repack: true }),
    ],
    [
      'the commit that it is planned from',
      () => planOf([listed('a', 5), listed('b', 5)], carriedOut(planOf([]), undefined)),
    ],
  ];
  it.each(shapes)('has another key for another %s', (_, other) => {
    const key = planOf([listed('a', 5), listed('b', 5)]).planned[0]?.key;
    expect(key).toMatch(/part-00000-/);
    expect(other().planned[0]?.key).toMatch(/part-00000-/);
    expect(other().planned[0]?.key).not.toBe(key);
  });

  it('has the same key for the same sources, whatever the target size', () => {
    const objects = [listed('a', 5), listed('b', 5)];
    const key = planOf(objects).planned[0]?.key;
    expect(
      planOf(objects, undefined, { settings: { targetSize: 1000, newline: 'ensure' } }).planned[0]?.key,
    ).toBe(key);
  });

  it('has another digest in its key for every kind: it says what its sources were taken for', () => {
    const digests = (['plain', 'gzip', 'zstd', 'bzip2', 'xz'] as const).map((sourceFormat) => {
      const settings = { targetSize: TARGET, newline: 'none', sourceFormat } as const;
      const { planned } = planOf([listed('raw/app/a', 1)], undefined, { settings });
      return /part-00000-([0-9a-f]{12})/.exec(planned[0]?.key ?? '')?.[1];
    });
    expect(new Set(digests).size).toBe(5);
  });

  it('is rebuilt with an index after all others, late sources included', () => {
    const first = planOf(small(12));
    const committed = carriedOut(first, undefined);
    const objects = small(12).map((object) =>
      object.key === 'k005.log' ? listed(object.key, 31, 1) : object,
    );
    const plan = planOf([...objects, listed('k004b.log', 9)], committed);
    expect(first.planned.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(plan.sealed.map(({ key }) => key)).toEqual([first.planned[0]?.key, first.planned[2]?.key]);
    expect(plan.planned.map(({ index }) => index)).toEqual([3, 4]);
    expect(keysIn(plan.planned)).toEqual(['k004.log', 'k004b.log', 'k005.log', 'k006.log', 'k007.log']);
  });
});

describe('odd objects in a listing: a plan', () => {
  it('skips and counts directory markers and empty objects', () => {
    const plan = planOf([
      listed('dir/', 0),
      listed('dir/a.log', 3),
      listed('dir/b.log', 0),
      listed('dir/c/', 4),
    ]);
    expect(plan.skipped).toEqual({ empty: 2, filtered: 0 });
    expect(keysIn(plan.planned)).toEqual(['dir/a.log', 'dir/c/']);
  });

  it('keeps a committed source whose object was emptied in place', () => {
    const committed = carriedOut(planOf([listed('a.log', 3), listed('b.log', 4)]), undefined);
    const plan = planOf([listed('a.log', 0, 1), listed('b.log', 5, 1)], committed);
    expect(
      plan.planned[0]?.pieces.map(({ source, from }) => [source.key, source.size, from?.offset]),
    ).toEqual([
      ['a.log', 3, 0],
      ['b.log', 5, undefined],
    ]);
  });

  it('has the listed time of a source that was written again with the same bytes, if it is read from raw', () => {
    const committed = carriedOut(planOf([listed('a.log', 3), listed('b.log', 4)]), undefined);
    const again = { ...listed('a.log', 3), lastModified: '2026-11-22T10:00:00.000Z' };
    expect(planOf([again, listed('b.log', 4)], committed).planned).toEqual([]);
    const plan = planOf([again, listed('b.log', 5, 1)], committed);
    expect(plan.planned[0]?.pieces[0]).toEqual({ source: again, from: undefined });
    const late = planOf([again, listed('b.log', 4), listed('c.log', 5)], committed);
    expect(keysIn(late.planned)).toEqual(['c.log']);
  });

  it('reads a source that was archived since from the committed output', () => {
    const committed = carriedOut(planOf([listed('a.log', 3), listed('b.log', 4)]), undefined);
    const plan = planOf([listed('a.log', 3, 0, 'GLACIER'), listed('b.log', 5, 1)], committed);
    expect(plan.planned[0]?.pieces.map(({ from }) => from?.key)).toEqual([
      committed.manifest.outputs[0]?.key,
      undefined,
    ]);
  });
});
