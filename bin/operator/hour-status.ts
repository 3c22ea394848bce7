import {
  type Endpoints,
  type Hour,
  type Location,
  Lookup,
  type Manifest,
  type Rollup,
  type RollupRequest,
  type Store,
  committedSelector,
  createSelector,
  formatLocation,
  hourEnd,
  resolveSource,
  sourceStore,
  withCommitted,
} from '../../lambda/rollup/index.ts';
import { hasCode } from '../../lambda/errors.ts';

/**
 * `rolled-up`: every raw object is in the rollup. `late`: a raw object came, or was changed, after the commit.
 * `missing`: raw objects, and no manifest. `open`: likewise, but the hour has not ended. `empty`: neither.
 * `unreadable`: a manifest that cannot be read, or that is of another source. `failed`: a request for the hour is in the
 * dead-letter queue of the stack.
 */
export type HourState = 'rolled-up' | 'late' | 'missing' | 'open' | 'empty' | 'unreadable' | 'failed';

export const BAD_STATES: readonly HourState[] = ['late', 'missing', 'unreadable', 'failed'];

export interface HourStatus {
  hour: Hour;
  /** Name of the stream, if the stack's outputs list streams. */
  stream?: string;
  state: HourState;
  source: string;
  destination: string;
  /** Raw objects now, without empty ones; before the first run, without hidden ones too. Sizes are in bytes. */
  objects: number;
  bytes: number;
  /** Sources of the commit; its outputs are `outputs`. */
  rolledUp: number;
  outputs: number;
  /** Raw objects that are not in the rollup with their present ETag. */
  late: number;
  /** The reason for `unreadable`. */
  problem?: string;
  /** Of `failed`: the dead letters of the hour, some of the reasons that they give, and the state that it has in S3. */
  failed?: { requests: number; reasons: string[]; state: HourState };
}

/**
 * The status of one hour. Reads the manifest and its index and lists raw, and nothing else.
 *
 * @param also is called with the commit, if there is one; once more where another run replaces it meanwhile
 */
export async function readHourStatus(
  endpoints: Endpoints,
  hour: Hour,
  request: RollupRequest,
  now: Date,
  also: (rollup: Rollup) => Promise<void> = () => Promise.resolve(),
): Promise<HourStatus> {
  const { source, destination } = request;
  const statusOf = (state: HourState, counts: Counts, manifest: Manifest | undefined): HourStatus => ({
    hour,
    state,
    source: formatLocation(source),
    destination: formatLocation(destination),
    ...counts,
    rolledUp: manifest?.totals.objects ?? 0,
    outputs: manifest?.totals.outputs ?? 0,
  });
  try {
    return await withCommitted(endpoints.store, destination, source, async (rollup) => {
      const raw = sourceStore(endpoints);
      const { signal } = new AbortController();
      const resolved = await resolveSource(raw, request, rollup?.manifest, signal);
      if (rollup !== undefined) await also(rollup);
      const counts = await countRaw(raw, resolved.source, rollup);
      return statusOf(stateOf(rollup, counts, now < hourEnd(hour)), counts, rollup?.manifest);
    });
  } catch (error) {
    if (!hasCode(error, 'BadManifest', 'ManifestVersion', 'ManifestOfAnotherSource')) throw error;
    const { message } = error as Error;
    const counts = await countRaw(sourceStore(endpoints), source, undefined);
    return { ...statusOf('unreadable', counts, undefined), problem: message };
  }
}

type Counts = Pick<HourStatus, 'objects' | 'bytes' | 'late'>;

async function countRaw(raw: Store, source: Location, rollup: Rollup | undefined): Promise<Counts> {
  // Without a rollup it is not known what the filters will be; what is never a source, or hidden, is left out by itself.
  const select =
    rollup === undefined
      ? createSelector({}, source.prefix)
      : committedSelector(rollup.manifest, source.prefix);
  const committed = rollup && new Lookup(rollup.sources.inKeyOrder({ last: true }));
  const counts = { objects: 0, bytes: 0, late: 0 };
  try {
    for await (const page of raw.list(source)) {
      const found = (await committed?.find(page)) ?? [];
      for (const [i, { key, size, etag }] of page.entries()) {
        const isSelected = select(key) !== undefined;
        if (size === 0 || (rollup === undefined && !isSelected)) continue;
        counts.objects++;
        counts.bytes += size;
        const isCommitted = found[i]?.etag === etag && found[i].size === size;
        if (rollup !== undefined && !isCommitted && isSelected) counts.late++;
      }
    }
    return counts;
  } finally {
    await committed?.close();
  }
}

function stateOf(
  rollup: Rollup | undefined,
  { objects, late }: { objects: number; late: number },
  goesOn: boolean,
): HourState {
  if (rollup !== undefined) return late > 0 ? 'late' : 'rolled-up';
  if (objects === 0) return 'empty';
  return goesOn ? 'open' : 'missing';
}
