import fc from 'fast-check';
import type { Change, Scenario } from './interleaving.ts';
import type { Etags } from './memory-store.ts';

const NAMES = ['a', 'b', 'c', 'd'];

const put: fc.Arbitrary<Change> = fc.record({
  type: fc.constant('put' as const),
  name: fc.constantFrom(...NAMES),
  size: fc.constantFrom(8, 9, 20, 24),
});
const expire: fc.Arbitrary<Change> = fc.record({
  type: fc.constant('expire' as const),
  name: fc.constantFrom(...NAMES),
});
const hours = fc.constant<Change>({ type: 'two hours pass' });
const empty = fc.constant<Change>({ type: 'empty' });
const byHand = fc.constant<Change>({ type: 'the manifest is deleted by hand' });
const run = fc.record({
  repack: fc.boolean(),
  targetSize: fc.constantFrom(20, 20, 9, 40),
  deletes: fc.constantFrom(false, false, true),
  killedAt: fc.option(fc.integer({ min: 5, max: 30 }), { nil: undefined, freq: 4 }),
});
/** Any hour, any runs on it, any changes to it between their steps. */
export const anyScenario = fc.record({
  etags: fc.constantFrom<Etags[]>('of content', 'new at every write'),
  begins: fc.constantFrom(
    'committed' as const,
    'committed' as const,
    'mistyped' as const,
    'with nothing' as const,
  ),
  before: fc.array(put, { minLength: 1, maxLength: 4 }),
  since: fc.array(fc.oneof(put, put, expire), { maxLength: 3 }),
  leftover: fc.boolean(),
  runs: fc.array(run, { minLength: 2, maxLength: 3 }),
  meanwhile: fc.array(fc.oneof(put, put, expire, hours, empty, byHand), { maxLength: 4 }),
});

const codec = fc.constantFrom('none' as const, 'gzip' as const);
/** The same, of runs whose sources are decoded, each into what it likes. */
export const anyCodedScenario = fc
  .tuple(anyScenario, codec, fc.array(codec, { minLength: 3, maxLength: 3 }))
  .map(([scenario, before, codecs]) => ({
    ...scenario,
    codec: before,
    runs: scenario.runs.map((plan, i) => ({ ...plan, codec: codecs[i] ?? before })),
  }));

/** How a run may end that was not killed. The last two: a source changed or left between listing and reading. */
const ENDS = new Set(['committed', 'unchanged', 'empty', 'Conflict', 'SourceChanged', 'SourceVanished']);

/** The ends that no run of the scenario may come to. */
export function unexpectedEnds(ends: string[], { meanwhile }: Pick<Scenario, 'meanwhile'>): string[] {
  const isDeletedByHand = meanwhile.some(({ type }) => type === 'the manifest is deleted by hand');
  // Its output was replaced by others, and then their manifest deleted by hand: no other way leads there.
  return ends.filter((end) => !ENDS.has(end) && !(isDeletedByHand && end === 'OutputMissing'));
}
