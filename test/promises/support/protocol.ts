/**
 * The protocol by which runs of one hour share a destination, as a model small enough to be explored exhaustively:
 * every request to S3 is a step, and every order of the steps of all runs, and of what happens to the hour meanwhile,
 * is tried. It knows two sources, `a` and `b`, in versions; what a run adds goes into one output.
 *
 * A kill needs no step of its own: a run that never goes on is in every state that is reached.
 */

/** Rules of the protocol that a test can break, so that the exploration is seen to find what that leads to. */
export interface Rules {
  /** What of the commit that is planned from goes into the digest of keys. */
  basis: 'ETag' | 'generation and index' | 'nothing';
  /** Commits on the condition that the manifest is still the one that was planned from. */
  conditionalCommit: boolean;
  /** Replaces the manifest by itself before a sweep without a commit, but for what is older than the manifest. */
  retires: boolean;
  /** When a manifest was written: by the store and by what it says itself, or by the store alone. */
  dates: 'both' | "the store's";
  /** Reads the manifest before every delete, and deletes nothing that it names, nor anything where it is gone. */
  looksBeforeDelete: boolean;
  /** Nor anything where an earlier one stands than the one that the deletes follow from. */
  looksForEarlier: boolean;
  /** Looks for the new output and the index before the manifest is written. */
  looksBeforeCommit: boolean;
  /** Looks at the manifest again before sources are deleted. */
  looksBeforeSources: boolean;
}

export const RULES: Rules = {
  basis: 'ETag',
  conditionalCommit: true,
  retires: true,
  dates: 'both',
  looksBeforeDelete: true,
  looksForEarlier: true,
  looksBeforeCommit: true,
  looksBeforeSources: true,
};

type Name = 'a' | 'b';
const NAMES = ['a', 'b'] as const;
/** Version of each source; 0 where it is not there. */
type Versions = Readonly<Record<Name, number>>;
const NONE: Versions = { a: 0, b: 0 };

interface Output {
  key: string;
  holds: Versions;
}

interface Manifest {
  /** Its ETag: no two have the same. */
  id: number;
  generation: number;
  /** Whether it is of the source that all runs are of; one that is not is empty. */
  ours: boolean;
  outputs: readonly Output[];
  /** The hour of its first writing, which it says itself, and that of its last, which the store says. */
  created: number;
  modified: number;
}

/** Events of the world, and how often each may happen. */
export type Event =
  | { type: 'put'; name: Name; version: number }
  | { type: 'expire'; name: Name }
  | { type: 'two hours pass' }
  /** By a run that is as good as over: nothing of it comes in between. */
  | { type: 'an empty hour is committed' }
  | { type: 'the manifest is deleted by hand' }
  /** The one that the current manifest has replaced: with all that it names, the same bytes and the same ETag. */
  | { type: 'the manifest before is put back by hand' };

type Step =
  | 'get manifest'
  | 'get index'
  | 'list destination'
  | 'list raw'
  | 'head output'
  | 'get sources'
  | 'put output'
  | 'put index'
  | 'look for what is new'
  | 'put manifest'
  | 'get winner'
  | 'look before lost'
  | 'delete lost'
  | 'look before replaced'
  | 'delete replaced'
  | 'put retired'
  | 'look before swept'
  | 'delete swept'
  | 'get manifest for sources'
  | 'list raw for sources'
  | 'head outputs for sources'
  | 'look before sources'
  | 'delete sources'
  | 'ended';

interface Run {
  next: Step;
  repack: boolean;
  deletes: boolean;
  attempt: number;
  /** What is committed, as it was read. */
  previous: Manifest | null;
  /** Keys of the destination as they were listed, those over an hour old apart, and of these those that are older than the manifest. */
  present: readonly string[];
  old: readonly string[];
  past: readonly string[];
  /** What the plan keeps, and its new output. */
  sealed: readonly Output[];
  planned: Output | null;
  /** Sources of the new output that are read from committed ones, by the key of these. */
  from: readonly string[];
  listed: Versions;
  wrote: readonly string[];
  /** What is about to be deleted. */
  doomed: readonly string[];
  /** The commit whose sources are about to be deleted. */
  standing: Manifest | null;
}

export interface State {
  raw: Versions;
  /** Keys in the destination, each with the hour of its writing: `key@0`. Those of earlier hours are old. */
  stored: readonly string[];
  hour: number;
  manifest: Manifest | null;
  /** The manifest that the current one has replaced, where an event is to come that puts it back. */
  before: Manifest | null;
  /** ETags given so far. */
  writes: number;
  events: readonly Event[];
  runs: readonly Run[];
  /** The latest version of each source that was committed, and that was deleted by a run: neither is ever forgotten. */
  committed: Versions;
  deleted: Versions;
}

export interface RunKind {
  repack?: boolean;
  deletes?: boolean;
}

export function startOf(given: {
  raw?: Partial<Versions>;
  manifest?: 'none' | 'empty, of another source' | 'of a';
  runs: RunKind[];
  events: Event[];
}): State {
  const { raw, manifest = 'none', runs, events } = given;
  const outputs = manifest === 'of a' ? [{ key: 'first', holds: { a: 1, b: 0 } }] : [];
  const standing = { ...{ id: 1, generation: 0, ours: manifest === 'of a', outputs }, ...writtenIn(0) };
  return {
    raw: { ...NONE, ...raw },
    stored: manifest === 'none' ? [] : [...outputs.map(({ key }) => `${key}@0`), `${indexOf(outputs)}@0`],
    hour: 0,
    manifest: manifest === 'none' ? null : standing,
    before: null,
    writes: 1,
    events,
    runs: runs.map(({ repack = false, deletes = false }) => runOf(repack, deletes)),
    committed: heldBy(outputs),
    deleted: NONE,
  };
}

function runOf(repack: boolean, deletes: boolean): Run {
  return {
    ...{ next: 'get manifest', repack, deletes, attempt: 1, previous: null, present: [], old: [], past: [] },
    ...{ sealed: [], planned: null, from: [], listed: NONE, wrote: [], doomed: [], standing: null },
  };
}

const ENDED: Run = { ...runOf(false, false), next: 'ended' };

/** The name of an index tells what is in it, and nothing else. */
function indexOf(outputs: readonly Output[]): string {
  return `index(${outputs.map(({ key }) => key).join()})`;
}

function heldBy(outputs: readonly Output[]): Versions {
  return outputs.reduce((sum, { holds }) => ({ a: sum.a + holds.a, b: sum.b + holds.b }), NONE);
}

function namedBy(manifest: Manifest | null): string[] {
  return manifest === null ? [] : [...manifest.outputs.map(({ key }) => key), indexOf(manifest.outputs)];
}

const nameOf = (stored: string): string => stored.slice(0, stored.lastIndexOf('@'));
const hourOf = (stored: string): number => Number(stored.slice(stored.lastIndexOf('@') + 1));
const isStored = ({ stored }: State, key: string): boolean => stored.some((one) => nameOf(one) === key);

function writtenIn(hour: number): Pick<Manifest, 'created' | 'modified'> {
  return { created: hour, modified: hour };
}

function without({ stored }: State, keys: readonly string[]): string[] {
  return stored.filter((key) => !keys.includes(nameOf(key)));
}

function withKey(state: State, key: string): readonly string[] {
  // What is written over is new, but what is there is left as it is.
  return isStored(state, key) ? state.stored : [...state.stored, `${key}@${state.hour}`].sort();
}

/** The state with a manifest that is written anew. */
function withManifest(
  state: State,
  manifest: Omit<Manifest, 'id' | 'created' | 'modified'>,
): State & { manifest: Manifest } {
  const id = state.writes + 1;
  const isPutBack = state.events.some(({ type }) => type === 'the manifest before is put back by hand');
  return {
    ...state,
    manifest: { ...manifest, id, ...writtenIn(state.hour) },
    before: isPutBack ? state.manifest : null,
    writes: id,
  };
}

/** Every step that can be taken, and where it leads. */
export function* stepsFrom(state: State, rules: Rules): Generator<[what: string, next: State]> {
  for (const [i, run] of state.runs.entries()) {
    if (run.next === 'ended') continue;
    const [changed, moved] = step(state, run, rules);
    yield [`run ${i + 1}: ${run.next}`, { ...changed, runs: state.runs.with(i, remembered(moved)) }];
  }
  for (const [i, event] of state.events.entries()) {
    const happened = happen(state, event);
    if (happened !== undefined)
      yield [JSON.stringify(event), { ...happened, events: state.events.toSpliced(i, 1) }];
  }
}

/** The parts of a run that its later steps read: runs that differ in other parts are the same run from here on. */
function remembered(run: Run): Run {
  const { next, repack, deletes, attempt, previous, doomed, standing, old, listed } = run;
  const rest = runOf(repack, deletes);
  switch (next) {
    case 'ended':
      return ENDED;
    case 'get manifest':
      return { ...rest, attempt };
    case 'look before lost':
    case 'delete lost':
      return { ...rest, next, attempt, doomed, standing };
    case 'look before replaced':
    case 'delete replaced':
      return { ...rest, next, doomed, standing, old };
    case 'put retired':
      return { ...rest, next, previous, doomed };
    case 'look before swept':
    case 'delete swept':
      return { ...rest, next, doomed, standing };
    case 'get manifest for sources':
      return { ...rest, next };
    case 'list raw for sources':
    case 'head outputs for sources':
    case 'look before sources':
    case 'delete sources':
      return { ...rest, next, standing, listed };
    case 'get index':
    case 'list destination':
    case 'list raw':
    case 'head output':
    case 'get sources':
    case 'put output':
    case 'put index':
    case 'look for what is new':
    case 'put manifest':
    case 'get winner':
      return run;
  }
}

function happen(state: State, event: Event): State | undefined {
  switch (event.type) {
    case 'put':
      return { ...state, raw: { ...state.raw, [event.name]: event.version } };
    case 'expire':
      // A source leaves raw by itself only once it is rolled up: else there is nothing that could be kept.
      if (state.raw[event.name] !== state.committed[event.name] || state.raw[event.name] === 0)
        return undefined;
      return { ...state, raw: { ...state.raw, [event.name]: 0 } };
    case 'two hours pass':
      return { ...state, hour: state.hour + 1 };
    case 'an empty hour is committed': {
      if (state.manifest !== null) return undefined;
      const empty = { generation: 0, ours: true, outputs: [] };
      return { ...withManifest(state, empty), stored: withKey(state, indexOf([])) };
    }
    case 'the manifest is deleted by hand': {
      if (state.manifest === null || isBetween(state)) return undefined;
      // What had left raw is held by nothing any more.
      return { ...state, manifest: null, committed: NONE, deleted: NONE };
    }
    case 'the manifest before is put back by hand': {
      const { before } = state;
      if (before === null || isBetween(state)) return undefined;
      if (namedBy(before).some((key) => !isStored(state, key))) return undefined;
      // What was committed since is held by nothing any more.
      const holds = heldBy(before.outputs);
      const deleted = { a: Math.min(holds.a, state.deleted.a), b: Math.min(holds.b, state.deleted.b) };
      return {
        ...{ ...state, manifest: { ...before, modified: state.hour }, before: null },
        ...{ committed: holds, deleted },
      };
    }
  }
}

/** Nobody is so quick that it comes by hand between two requests which a run sends one right behind the other. */
function isBetween({ runs }: State): boolean {
  return runs.some(({ next }) => BEHIND_A_LOOK.has(next));
}

const BEHIND_A_LOOK = new Set<Step>([
  'put manifest',
  'delete lost',
  'delete replaced',
  'delete swept',
  'delete sources',
]);

const ATTEMPTS = 2;

/** One request of a run: what it changes, and where the run is then. */
function step(state: State, run: Run, rules: Rules): [State, Run] {
  const { manifest } = state;
  const to = (next: Step, changes: Partial<Run> = {}): [State, Run] => [state, { ...run, ...changes, next }];
  switch (run.next) {
    case 'get manifest':
      return to(manifest === null ? 'list destination' : 'get index', { previous: manifest });
    case 'get index':
      if (isStored(state, indexOf(run.previous?.outputs ?? []))) return to('list destination');
      return to(manifest?.id === run.previous?.id ? 'ended' : 'get manifest');
    case 'list destination': {
      const present = state.stored.map(nameOf);
      const old = state.stored.filter((key) => hourOf(key) < state.hour);
      const past = old.filter((key) => hourOf(key) < dateOf(state, run.previous, rules));
      return to('list raw', { present, old: old.map(nameOf), past: past.map(nameOf) });
    }
    case 'list raw':
      return [state, planned({ ...run, listed: state.raw }, rules)];
    case 'head output': {
      const there = run.planned !== null && isStored(state, run.planned.key);
      return to(there ? 'put index' : 'get sources');
    }
    case 'get sources': {
      const { planned: output, listed } = run;
      const read = NAMES.filter((name) => output?.holds[name] !== 0 && output?.holds[name] === listed[name]);
      const isThere =
        read.every((name) => state.raw[name] === listed[name]) &&
        run.from.every((key) => isStored(state, key));
      return isThere ? to('put output') : to('get winner');
    }
    case 'put output': {
      const key = run.planned?.key ?? '';
      return [
        { ...state, stored: withKey(state, key) },
        { ...run, next: 'put index', wrote: [...run.wrote, key] },
      ];
    }
    case 'put index': {
      const key = indexOf(outputsOf(run));
      const next = rules.looksBeforeCommit ? 'look for what is new' : 'put manifest';
      return [
        { ...state, stored: withKey(state, key) },
        { ...run, next, wrote: [...run.wrote, key] },
      ];
    }
    case 'look for what is new': {
      const keys = [indexOf(outputsOf(run)), ...(run.planned === null ? [] : [run.planned.key])];
      return to(keys.every((key) => isStored(state, key)) ? 'put manifest' : 'get winner');
    }
    case 'put manifest': {
      if (rules.conditionalCommit && manifest?.id !== run.previous?.id) return to('get winner');
      const outputs = outputsOf(run);
      const generation = (run.previous?.generation ?? 0) + (run.repack ? 1 : 0);
      const changed = withManifest(state, { generation, ours: true, outputs });
      const standing = changed.manifest;
      const doomed = namedBy(run.previous).filter((key) => !namedBy(standing).includes(key));
      return [
        { ...changed, committed: latest(state.committed, heldBy(outputs)) },
        afterDelete({ ...run, standing, doomed, next: 'look before replaced' }, rules),
      ];
    }
    case 'get winner': {
      if (run.attempt === ATTEMPTS) return to('ended');
      const again = { ...run, attempt: run.attempt + 1, wrote: [] };
      if (manifest?.id === run.previous?.id) return [state, { ...again, next: 'get manifest' }];
      return [
        state,
        afterDelete({ ...again, doomed: run.wrote, standing: manifest, next: 'look before lost' }, rules),
      ];
    }
    case 'look before lost':
    case 'look before replaced':
    case 'look before swept': {
      const isEarlier = rules.looksForEarlier && (manifest?.id ?? 0) < (run.standing?.id ?? 0);
      const isUnsafe = manifest === null || isEarlier;
      const doomed = isUnsafe ? [] : run.doomed.filter((key) => !namedBy(manifest).includes(key));
      const moved = { ...run, doomed, next: run.next.replace('look before', 'delete') as Step };
      return [state, doomed.length === 0 ? afterDelete(moved, rules) : moved];
    }
    case 'delete lost':
    case 'delete replaced':
    case 'delete swept':
      return [{ ...state, stored: without(state, run.doomed) }, afterDelete({ ...run, doomed: [] }, rules)];
    case 'put retired': {
      if (manifest === null || manifest.id !== run.previous?.id) return [state, sourcesOf(run)];
      const { generation, ours, outputs } = manifest;
      const retired = withManifest(state, { generation: generation + 1, ours, outputs });
      return [retired, afterDelete({ ...run, standing: retired.manifest, next: 'look before swept' }, rules)];
    }
    case 'get manifest for sources':
      return manifest === null ? to('ended') : to('list raw for sources', { standing: manifest });
    case 'list raw for sources': {
      const holds = heldBy(run.standing?.outputs ?? []);
      const due = (name: Name): number => (state.raw[name] === holds[name] ? holds[name] : 0);
      const listed = { a: due('a'), b: due('b') };
      return to(listed.a + listed.b === 0 ? 'ended' : 'head outputs for sources', { listed });
    }
    case 'head outputs for sources': {
      const isSound = (run.standing?.outputs ?? []).every(({ key }) => isStored(state, key));
      if (!isSound) return to('ended');
      return to(rules.looksBeforeSources ? 'look before sources' : 'delete sources');
    }
    case 'look before sources':
      return to(manifest?.id === run.standing?.id ? 'delete sources' : 'ended');
    case 'delete sources': {
      const gone = (name: Name): boolean => run.listed[name] !== 0 && state.raw[name] === run.listed[name];
      const left = (name: Name): number => (gone(name) ? 0 : state.raw[name]);
      const deleted = { a: gone('a') ? run.listed.a : 0, b: gone('b') ? run.listed.b : 0 };
      return [
        { ...state, raw: { a: left('a'), b: left('b') }, deleted: latest(state.deleted, deleted) },
        { ...run, next: 'ended' },
      ];
    }
    case 'ended':
      return [state, run];
  }
}

/** The hour that what was planned from an earlier manifest is older than. None where the listing has another manifest. */
function dateOf({ manifest }: State, previous: Manifest | null, { dates }: Rules): number {
  if (previous === null || manifest?.id !== previous.id) return NaN;
  const { created, modified } = manifest;
  return dates === 'both' ? Math.min(created, modified) : modified;
}

/** Plans from what was read and listed. */
function planned(run: Run, rules: Rules): Run {
  const { previous, listed, repack } = run;
  const outputs = previous?.outputs ?? [];
  const isChanged = ({ holds }: Output): boolean =>
    NAMES.some((name) => holds[name] !== 0 && listed[name] !== 0 && listed[name] !== holds[name]);
  const unsealed = repack ? outputs : outputs.filter(isChanged);
  const sealed = outputs.filter((output) => !unsealed.includes(output));
  const kept = heldBy(sealed);
  const rebuilt = heldBy(unsealed);
  const of = (name: Name): number =>
    kept[name] !== 0 ? 0 : listed[name] !== 0 ? listed[name] : rebuilt[name];
  const holds = { a: of('a'), b: of('b') };
  if (holds.a + holds.b === 0) {
    if (previous?.ours === true) return unchanged({ ...run, sealed, planned: null }, rules);
    return { ...run, sealed, planned: null, next: 'put index' };
  }
  const generation = (previous?.generation ?? 0) + (repack ? 1 : 0);
  const key = `${basisOf(previous, rules)}/${generation}/${holds.a}${holds.b}`;
  const from = unsealed
    .filter((output) => NAMES.some((name) => output.holds[name] !== 0 && listed[name] === 0))
    .map((output) => output.key);
  const next = run.present.includes(key) ? 'head output' : 'get sources';
  return { ...run, sealed, planned: { key, holds }, from, next };
}

function basisOf(previous: Manifest | null, { basis }: Rules): string {
  if (previous === null || basis === 'nothing') return '';
  return basis === 'ETag' ? String(previous.id) : `${previous.generation}:${indexOf(previous.outputs)}`;
}

function outputsOf({ sealed, planned: added }: Run): Output[] {
  return added === null ? [...sealed] : [...sealed, added];
}

/** A run that found nothing new sweeps what is old and unnamed. */
function unchanged(run: Run, rules: Rules): Run {
  const doomed = run.old.filter((key) => !namedBy(run.previous).includes(key));
  if (doomed.length === 0) return sourcesOf(run);
  const isPast = doomed.every((key) => run.past.includes(key));
  if (rules.retires && !isPast) return { ...run, doomed, next: 'put retired' };
  return afterDelete({ ...run, doomed, standing: run.previous, next: 'look before swept' }, rules);
}

/** Goes on behind a delete, or to it where nothing is looked at before. */
function afterDelete(run: Run, rules: Rules): Run {
  const { next, doomed } = run;
  if (next.startsWith('look before')) {
    if (doomed.length === 0) return afterDelete({ ...run, next: deleteOf(next) }, rules);
    if (rules.looksBeforeDelete) return run;
    const unnamed = doomed.filter((key) => !namedBy(run.standing).includes(key));
    return { ...run, doomed: unnamed, next: deleteOf(next) };
  }
  if (next === 'delete lost') return { ...run, next: 'get manifest' };
  if (next !== 'delete replaced') return sourcesOf(run);
  const old = run.old.filter((key) => !namedBy(run.standing).includes(key));
  return afterDelete({ ...run, doomed: old, next: 'look before swept' }, rules);
}

function deleteOf(look: Step): Step {
  return look.replace('look before', 'delete') as Step;
}

function sourcesOf(run: Run): Run {
  return { ...run, doomed: [], next: run.deletes ? 'get manifest for sources' : 'ended' };
}

function latest(one: Versions, other: Versions): Versions {
  return { a: Math.max(one.a, other.a), b: Math.max(one.b, other.b) };
}

/** What must never be so; undefined where all is well. */
export function violationOf(state: State): string | undefined {
  const { manifest, committed, deleted } = state;
  const missing = namedBy(manifest).find((key) => !isStored(state, key));
  if (missing !== undefined) return `${missing} is committed and missing`;
  const holds = heldBy(manifest?.outputs ?? []);
  const forgotten = NAMES.find((name) => holds[name] < committed[name]);
  if (forgotten !== undefined) return `${forgotten} was committed and is lost`;
  const lost = NAMES.find((name) => holds[name] < deleted[name]);
  return lost === undefined ? undefined : `${lost} was deleted from raw and is in no output`;
}

/** What is so once nobody is at work any more and one more run has come to its end; undefined where all is well. */
export function unsettledOf(state: State, rules: Rules): string | undefined {
  let settled: State = { ...state, events: [], runs: [runOf(false, false)] };
  for (let steps = 0; settled.runs[0]?.next !== 'ended'; steps++) {
    const [first] = stepsFrom(settled, rules);
    if (first === undefined || steps > 50) return 'a run alone does not come to its end';
    settled = first[1];
    const violation = violationOf(settled);
    if (violation !== undefined) return violation;
  }
  const holds = heldBy(settled.manifest?.outputs ?? []);
  const late = NAMES.find((name) => settled.raw[name] !== 0 && holds[name] !== settled.raw[name]);
  return late === undefined ? undefined : `${late} is in raw and a run alone does not commit it`;
}

export interface Exploration {
  states: number;
  /** What was found wrong, and the steps that lead to it: the fewest that do. */
  found: { violation: string; steps: string[] } | undefined;
}

/** Tries every order, breadth first. */
export function explore(start: State, rules: Rules = RULES): Exploration {
  const cameFrom = new Map<string, { before: string; what: string } | undefined>();
  const startKey = keyOf(start);
  cameFrom.set(startKey, undefined);
  const stepsTo = (key: string): string[] => {
    const origin = cameFrom.get(key);
    return origin === undefined ? [] : [...stepsTo(origin.before), origin.what];
  };
  let frontier: [key: string, state: State][] = [[startKey, start]];
  while (frontier.length > 0) {
    const reached: [string, State][] = [];
    for (const [before, state] of frontier) {
      let isLast = true;
      for (const [what, next] of stepsFrom(state, rules)) {
        isLast = false;
        const key = keyOf(next);
        if (cameFrom.has(key)) continue;
        cameFrom.set(key, { before, what });
        const violation = violationOf(next);
        if (violation !== undefined)
          return { states: cameFrom.size, found: { violation, steps: stepsTo(key) } };
        reached.push([key, next]);
      }
      const violation = isLast ? unsettledOf(state, rules) : undefined;
      if (violation !== undefined)
        return { states: cameFrom.size, found: { violation, steps: stepsTo(before) } };
    }
    frontier = reached;
  }
  return { states: cameFrom.size, found: undefined };
}

const texts = new WeakMap<object, string>();

/** Of a part of a state that does not change: most of a state is what it was before the step. */
function textOf(part: object): string {
  const known = texts.get(part);
  if (known !== undefined) return known;
  const text = JSON.stringify(part);
  texts.set(part, text);
  return text;
}

/** Equal for states that nothing tells apart: runs of one kind are as good as each other. */
function keyOf(state: State): string {
  const { raw, stored, hour, manifest, before, writes, events, runs, committed, deleted } = state;
  const manifests = [manifest, before].map((one) => (one === null ? '' : textOf(one)));
  const parts = [raw, stored, events, committed, deleted];
  return [writes, hour, ...manifests, ...parts.map(textOf), ...runs.map(textOf).sort()].join('|');
}
