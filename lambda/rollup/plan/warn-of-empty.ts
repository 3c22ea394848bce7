import { RollupError } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { type Endpoints, sourceStore } from '../model/endpoints.ts';
import { type Location, formatLocation } from '../model/location.ts';
import type { RunWarning } from '../model/run.ts';
import type { Store } from '../model/store.ts';
import type { Planner } from './planner.ts';

/** Keys of one look at what is near, at most: what one request lists. */
const MOST_KEYS = 1000;
/** Folders above the source that are looked into for a name that is near, at most. */
const MOST_LEVELS = 4;
/** Keys that a warning names, at most. */
const NAMED = 3;

/**
 * Says why there is nothing to roll up, before an empty rollup is committed: nothing is listed, and what is near; or all
 * that is listed is left out, and by which rule. Looking for what is near takes six requests at most, and its failures are
 * ignored: a role may be allowed to list the source alone.
 *
 * @param planner after its last page; no source was planned, and none is committed
 * @returns the warning, and the number of listings that were sent for it
 * @throws RollupError `NoSources` with the same message if `failOnEmpty` is set
 */
export async function warnOfEmpty(
  source: Location,
  context: Endpoints & { settings: Pick<Settings, 'failOnEmpty'>; signal: AbortSignal },
  planner: Pick<Planner, 'skipped' | 'leftOut'>,
): Promise<{ warning: RunWarning; requests: number }> {
  const { empty, filtered, hidden = 0, own = 0 } = planner.skipped;
  const isNothingListed = filtered + hidden + own === 0;
  const look = new Look(sourceStore(context), source, context.signal);
  const warning = isNothingListed
    ? await warnOfNothing(source, look, empty)
    : warnOfLeftOut(source, planner, empty + filtered + hidden + own);
  if (!context.settings.failOnEmpty) return { warning, requests: look.requests };
  const { message, key } = warning;
  throw new RollupError('NoSources', `${message} Nothing was committed (failOnEmpty).`, { key });
}

async function warnOfNothing(source: Location, look: Look, empty: number): Promise<RunWarning> {
  const near = await look.near();
  const none = `No objects under ${formatLocation(source)}`;
  const but = empty === 0 ? '' : ` but ${nounOf(empty, 'empty one')}`;
  if (near === undefined) return { code: 'NoObjects', message: `${none}${but}.` };
  const { prefix, keys, hasMore } = near;
  const found = `${nounOf(keys.length, 'key')}${hasMore ? ' or more' : ''}`;
  const begin = keys.length === 1 && !hasMore ? 'begins' : 'begin';
  const at = formatLocation({ ...source, prefix });
  const message = `${none}${but}; ${found} ${begin} with ${at}${listed(keys, keys.length)}.`;
  return { code: 'NoObjects', message, ...keyOf(keys[0]) };
}

function warnOfLeftOut(source: Location, { leftOut }: Pick<Planner, 'leftOut'>, count: number): RunWarning {
  const reasons = leftOut.map(({ key, by }) => `${key} (${by})`);
  const all = count === 1 ? 'The one object' : `All ${count.toLocaleString('en-US')} objects`;
  const message = `${all} under ${formatLocation(source)} ${count === 1 ? 'is' : 'are'} left out${listed(reasons, count)}.`;
  return { code: 'AllLeftOut', message, ...keyOf(leftOut[0]?.key) };
}

/** The first names of a list behind a colon, and how many more there are. */
function listed(names: string[], count: number): string {
  if (names.length === 0) return '';
  const more = count - Math.min(names.length, NAMED);
  return `: ${names.slice(0, NAMED).join(', ')}${more > 0 ? `, and ${more.toLocaleString('en-US')} more` : ''}`;
}

function nounOf(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}

function keyOf(key: string | undefined): { key?: string } {
  return key === undefined ? {} : { key };
}

/** Keys that begin with a prefix which is nearly the source's. */
interface Near {
  prefix: string;
  keys: string[];
  hasMore: boolean;
}

/** A look around a source under which there is nothing. */
class Look {
  requests = 0;
  readonly #store: Store;
  readonly #source: Location;
  readonly #signal: AbortSignal;

  constructor(store: Store, source: Location, signal: AbortSignal) {
    this.#store = store;
    this.#source = source;
    this.#signal = signal;
  }

  /** What begins with the prefix but for its slash, or but for upper case and blanks; undefined if there is nothing. */
  async near(): Promise<Near | undefined> {
    try {
      return (await this.#withoutSlash()) ?? (await this.#inOtherWriting());
    } catch (error) {
      if (this.#signal.aborted) throw error;
      return undefined;
    }
  }

  async #withoutSlash(): Promise<Near | undefined> {
    const { prefix } = this.#source;
    if (!prefix.endsWith('/')) return undefined;
    return this.#keysUnder(prefix.slice(0, -1));
  }

  /** Looks into the folders above the source, from the innermost on, up to the first that has anything. */
  async #inOtherWriting(): Promise<Near | undefined> {
    const { prefix } = this.#source;
    const folders = prefix.split('/');
    const last = folders.pop() ?? '';
    const segments = last === '' ? folders : [...folders, last];
    const lowest = Math.max(0, segments.length - MOST_LEVELS);
    for (let level = segments.length - 1; level >= lowest; level--) {
      const parent = segments.slice(0, level).map(withSlash).join('');
      const { keys, folders: found } = await this.#first(parent, '/');
      if (keys.length + found.length === 0) continue;
      const segment = segments[level] ?? '';
      const isWhole = level < folders.length;
      const names = (isWhole ? found : [...found, ...keys]).map((key) => key.slice(parent.length));
      const name = names.find((one) =>
        isWhole ? isNear(one.slice(0, -1), segment) : isNear(one.slice(0, segment.length), segment),
      );
      if (name === undefined) return undefined;
      const inner = prefix.slice(parent.length + segment.length + 1);
      return this.#keysUnder(parent + (isWhole ? name + inner : name.slice(0, segment.length)));
    }
    return undefined;
  }

  async #keysUnder(prefix: string): Promise<Near | undefined> {
    const { keys, hasMore } = await this.#first(prefix);
    const others = keys.filter((key) => !key.startsWith(this.#source.prefix));
    return others.length === 0 ? undefined : { prefix, keys: others, hasMore };
  }

  #first(prefix: string, delimiter?: string): ReturnType<Store['listFirst']> {
    this.requests++;
    const { bucket } = this.#source;
    return this.#store.listFirst({ bucket, prefix }, { most: MOST_KEYS, delimiter }, this.#signal);
  }
}

function withSlash(segment: string): string {
  return `${segment}/`;
}

/** True of two names that differ in nothing but upper case, and blanks around them. */
function isNear(name: string, other: string): boolean {
  const written = (text: string): string => text.trim().toLowerCase();
  return name !== other && written(name) === written(other);
}
