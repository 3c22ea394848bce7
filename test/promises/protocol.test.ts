import { describe, expect, it } from 'vitest';
import { AGGREGATED, Interleaving, RAW } from './support/interleaving.ts';
import {
  type Event,
  RULES,
  type Rules,
  type RunKind,
  type State,
  explore,
  startOf,
  stepsFrom,
} from './support/protocol.ts';

const put = (name: 'a' | 'b', version = 1): Event => ({ type: 'put', name, version });
const EXPIRE: Event = { type: 'expire', name: 'a' };
const HOURS: Event = { type: 'two hours pass' };
const EMPTY: Event = { type: 'an empty hour is committed' };
const BY_HAND: Event = { type: 'the manifest is deleted by hand' };

const PUT_BACK: Event = { type: 'the manifest before is put back by hand' };

const MISTYPED = startOf({
  manifest: 'empty, of another source',
  runs: [{}, {}, { deletes: true }],
  events: [put('a')],
});
const FIRST = startOf({
  raw: { a: 1 },
  runs: [{ deletes: true }, {}],
  events: [put('b'), put('a', 2), HOURS],
});
const REPACK = startOf({
  ...{ raw: { a: 1 }, manifest: 'of a' },
  runs: [{ repack: true }, { deletes: true }],
  events: [put('b'), EXPIRE, HOURS],
});
const REFILLED = startOf({
  ...{ raw: { a: 1 }, manifest: 'of a' },
  runs: [{ deletes: true }, { repack: true }],
  events: [EXPIRE, put('a', 2), HOURS],
});
const BY_HAND_OF_A = startOf({
  raw: { a: 1 },
  runs: [{ deletes: true }, {}],
  events: [BY_HAND, put('b'), HOURS],
});
const BY_HAND_OF_EMPTY = startOf({ runs: [{}, { deletes: true }], events: [put('a'), EMPTY, BY_HAND] });
const BY_HAND_MISTYPED = startOf({
  manifest: 'empty, of another source',
  runs: [{}, { deletes: true }],
  events: [put('a'), HOURS, BY_HAND],
});

const PUT_BACK_OF_A = startOf({
  ...{ raw: { a: 1 }, manifest: 'of a' },
  runs: [{ repack: true }, {}, {}],
  events: [HOURS, PUT_BACK],
});

describe('every order of the requests of runs of one hour', () => {
  it.each<[string, State]>([
    ['three runs where a mistyped source was committed empty, while a source arrives', MISTYPED],
    ['two first runs, while a source arrives, another changes, and hours pass', FIRST],
    ['a repack beside a run that deletes sources, while others arrive and expire', REPACK],
    ['an hour that is emptied and filled again', REFILLED],
    ['a manifest that is deleted by hand, of an hour with sources', BY_HAND_OF_A],
    ['a manifest that is deleted by hand, of an empty hour', BY_HAND_OF_EMPTY],
    ['a manifest that is deleted by hand, of a mistyped source', BY_HAND_MISTYPED],
    ['a slow repack beside runs that sweep, while an earlier manifest is put back by hand', PUT_BACK_OF_A],
  ])('loses nothing: %s', (_, start) => {
    const { states, found } = explore(start);
    expect(found).toBeUndefined();
    expect(states).toBeGreaterThan(5_000);
  });

  it.each<[string, State, Partial<Rules>, RegExp]>([
    [
      'keys are bound to what is committed and not to its manifest',
      ...[MISTYPED, { basis: 'generation and index' }, /is committed and missing/],
    ],
    ['keys are bound to no commit', ...[REPACK, { basis: 'nothing' }, /is committed and missing/]],
    ['a commit has no condition', ...[FIRST, { conditionalCommit: false }, /was committed and is lost/]],
    [
      'a sweep does not replace the manifest first',
      ...[REPACK, { retires: false }, /is committed and missing/],
    ],
    [
      'the manifest is not compared before a delete with the one that it follows from',
      ...[PUT_BACK_OF_A, { looksForEarlier: false }, /is committed and missing/],
    ],
    [
      'a sweep goes by the time that an earlier manifest was put back',
      ...[PUT_BACK_OF_A, { dates: "the store's" }, /is committed and missing/],
    ],
    [
      'the manifest is not looked at before a delete',
      ...[BY_HAND_MISTYPED, { looksBeforeDelete: false }, /is committed and missing/],
    ],
    [
      'what is new is not looked for before a commit',
      ...[BY_HAND_OF_A, { looksBeforeCommit: false }, /is committed and missing/],
    ],
    [
      'the manifest is not looked at before sources are deleted',
      ...[BY_HAND_OF_A, { looksBeforeSources: false }, /was deleted from raw and is in no output/],
    ],
  ] as [string, State, Partial<Rules>, RegExp][])(
    'would lose something where %s',
    (_, start, broken, expected) => {
      const { found } = explore(start, { ...RULES, ...broken });
      expect(found?.violation).toMatch(expected);
    },
  );
});

const LOOK = 'look for what is new';

/** What the engine asks of the store, in the model's words; undefined for what the model leaves out. */
function stepOf(what: string, before: string | undefined): string | undefined {
  const [verb = '', key = ''] = what.split(' ');
  const name = key.replace(AGGREGATED, '');
  if (what === 'list uploads') return undefined;
  if (verb === 'list') {
    if (key === RAW) return 'list raw';
    // The look around an empty source decides nothing.
    if (key !== AGGREGATED) return undefined;
    // Its pages are one step.
    return before === 'put index' || before === LOOK ? LOOK : 'list destination';
  }
  if (verb === 'delete') return 'delete';
  if (name.startsWith('_manifest')) return `${verb} manifest`;
  if (name.startsWith('_sources')) return `${verb} index`;
  if (verb === 'read' || verb === 'copy') return 'get sources';
  if (verb === 'begin' || verb === 'complete') return 'put output';
  return `${verb} ${key.startsWith(RAW) ? 'sources' : 'output'}`;
}

/** The model's own words for what follows a commit, as what they are on the store. */
const REQUESTS: Record<string, string> = {
  'look before lost': 'get manifest',
  'look before replaced': 'get manifest',
  'look before swept': 'get manifest',
  'look before sources': 'head manifest',
  'delete lost': 'delete',
  'delete replaced': 'delete',
  'delete swept': 'delete',
  'put retired': 'put manifest',
  'get manifest for sources': 'get manifest',
  'list raw for sources': 'list raw',
  'head outputs for sources': 'head output',
};

/** The steps of a run that is alone, from its first to its last. */
function modelled(start: State): string[] {
  const steps: string[] = [];
  for (
    let state = start, [first] = stepsFrom(state, RULES);
    first !== undefined;
    [first] = stepsFrom(state, RULES)
  ) {
    const [what, next] = first;
    const step = what.replace(/^run \d: /, '');
    steps.push(REQUESTS[step] ?? step);
    state = next;
  }
  return steps;
}

describe('the model of the protocol', () => {
  it.each<[string, (hour: Interleaving) => Promise<unknown>, State, RunKind]>([
    ['a first run', () => Promise.resolve(), startOf({ raw: { a: 1 }, runs: [{}], events: [] }), {}],
    [
      'an empty hour',
      (hour) => {
        hour.apply({ type: 'expire', name: 'a' });
        return Promise.resolve();
      },
      startOf({ runs: [{}], events: [] }),
      {},
    ],
    [
      'a late source',
      async (hour) => {
        await hour.run();
        hour.apply({ type: 'put', name: 'b', size: 9 });
      },
      startOf({ raw: { a: 1, b: 1 }, manifest: 'of a', runs: [{}], events: [] }),
      {},
    ],
    [
      'a changed source',
      async (hour) => {
        await hour.run();
        hour.apply({ type: 'put', name: 'a', size: 9 });
      },
      startOf({ raw: { a: 2 }, manifest: 'of a', runs: [{}], events: [] }),
      {},
    ],
    [
      'nothing new',
      (hour) => hour.run(),
      startOf({ raw: { a: 1 }, manifest: 'of a', runs: [{}], events: [] }),
      {},
    ],
    [
      'a repack',
      (hour) => hour.run(),
      startOf({ raw: { a: 1 }, manifest: 'of a', runs: [{ repack: true }], events: [] }),
      { repack: true },
    ],
    [
      'a leftover that is swept',
      async (hour) => {
        await hour.run();
        hour.bucket.put(`${AGGREGATED}part-00099-0123456789ab.log`, Buffer.from('leftover'));
        hour.apply({ type: 'two hours pass' });
      },
      {
        ...startOf({ raw: { a: 1 }, manifest: 'of a', runs: [{}], events: [] }),
        ...{ stored: ['first@0', 'index(first)@0', 'left@0'], hour: 1 },
      },
      {},
    ],
    [
      'a leftover that is older than the manifest',
      async (hour) => {
        hour.bucket.put(`${AGGREGATED}part-00099-0123456789ab.log`, Buffer.from('leftover'));
        hour.apply({ type: 'two hours pass' });
        hour.bucket.now = new Date(hour.bucket.now.getTime() - 90 * 60_000);
        await hour.run();
        hour.apply({ type: 'two hours pass' });
      },
      {
        ...startOf({ raw: { a: 1 }, manifest: 'of a', runs: [{}], events: [] }),
        ...{ stored: ['first@1', 'index(first)@1', 'left@0'], hour: 1 },
      },
      {},
    ],
  ])('takes the steps that the engine takes: %s', async (_, prepare, start, { repack = false }) => {
    const hour = new Interleaving('of content');
    hour.apply({ type: 'put', name: 'a', size: 9 });
    await prepare(hour);
    const steps: string[] = [];
    await hour.run({ repack }, (what) => {
      const step = stepOf(what, steps.at(-1));
      if (step !== undefined && step !== steps.at(-1)) steps.push(step);
      return Promise.resolve();
    });
    expect(steps).toEqual(modelled(start));
  });
});
