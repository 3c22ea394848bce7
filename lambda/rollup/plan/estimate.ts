import { COPY_PART, LARGEST_COPY } from '../../settings/settings.ts';
import type { Settings } from '../../settings/table.ts';
import { sidecarKeyOf } from '../codec/sidecar.ts';
import { leftoverKeys, leftoverUploads, ourUploads } from '../commit/cleanup.ts';
import { SOURCES_NAME, SYMLINKS_NAME, wantedMarkers } from '../commit/markers.ts';
import type { Location } from '../model/location.ts';
import { MANIFEST_VERSION, type Manifest } from '../model/manifest.ts';
import type { PlannedOutput } from '../model/output.ts';
import type { OpenUpload } from '../model/store.ts';
import { largestSize } from '../write/source-offsets.ts';
import { streamedCopySizes } from '../write/streamed-copy.ts';
import { downloadsOf } from '../write/write-encoded.ts';
import type { FullPlan } from './list-and-plan.ts';

/** Classes in which S3 prices requests. */
type RequestClass = 'list' | 'get' | 'put' | 'copy' | 'delete';

export type RequestCounts = Record<RequestClass, number>;

/** What `run` would do with an output. `reuse`: it is there already, from a run that did not come to its commit. */
export type OutputAction = 'write' | 'copy' | 'reuse' | 'sealed';

export interface EstimateInput {
  planAll: FullPlan;
  /** Requests that it took to make the planAll: `run` makes the same. */
  surveyed: Pick<RequestCounts, 'list' | 'get'>;
  /** Uploads that are open under the destination. */
  uploads: OpenUpload[];
  destination: Location;
  settings: Settings;
  /** Whether S3 cannot be asked to copy from the source to the destination. */
  relays: boolean;
}

const PER_REQUEST = 1000;

/**
 * The requests that a run makes if nothing changes before it and nothing has to be repeated. A part more or less is
 * possible where sources lack their last newline: how many do is known only once they are read. Sources of outputs that
 * are there already are taken to have a CRC-32 in S3, as those have that today's SDKs wrote; others are downloaded.
 */
export function estimateRequests(input: EstimateInput): RequestCounts {
  const counts = estimateCommit(input);
  addMarkers(counts, input);
  if (input.settings.deleteSource) addDeletes(counts, input);
  return counts;
}

/** As if what is there already were true where nothing is committed, and not where something is. */
function addMarkers(counts: RequestCounts, { planAll, destination, settings }: EstimateInput): void {
  const { plan, present, previous } = planAll;
  const wanted = wantedMarkers(settings, destination, present);
  if (wanted.success) counts.put++;
  if (!wanted.symlinks) return;
  const hasCopy = present.has(destination.prefix + SOURCES_NAME);
  // The list, the copy of the index, and the manifest before and after; where there is a copy, the index too.
  counts.get += 4 + (hasCopy ? 1 : 0);
  const changes = previous === undefined || plan.planned.length > 0;
  if (changes || !present.has(destination.prefix + SYMLINKS_NAME))
    counts.put += plan.sealed.length + plan.planned.length > 0 ? 1 : 0;
  if (!changes && hasCopy) return;
  counts.get++;
  counts.put++;
}

/** As if everything that was listed and rolled up were deleted: what has left raw by then takes less. */
function addDeletes(counts: RequestCounts, { planAll, surveyed }: EstimateInput): void {
  const { plan, present, previous } = planAll;
  const pages = surveyed.list - Math.max(1, Math.ceil(present.size / PER_REQUEST));
  const outputs = plan.sealed.length + plan.planned.length;
  const batches = outputs === 0 ? 0 : pages;
  // The manifest and its index, every output, and the manifest before every batch.
  counts.get += 2 + outputs + batches + proofsOf(plan);
  // A large index is read twice in ranges: in its order, and in key order.
  counts.get += 2 * (previous?.sources.requests ?? 0);
  counts.list += pages;
  counts.delete += batches;
}

/** Outputs that a run does not write from raw, it proves: by a HEAD a source, and reads of what was decoded. */
function proofsOf({ sealed, planned }: FullPlan['plan']): number {
  const sources = [
    ...sealed.map(
      (output) =>
        output.sources * (output.codec === undefined ? 1 : 2) + (output.codec === undefined ? 0 : 1),
    ),
    ...planned.map(({ pieces }) => (pieces.every(({ from }) => from === undefined) ? 0 : 1 + pieces.length)),
  ];
  return sources.reduce((sum, count) => sum + count, 0);
}

function estimateCommit({
  planAll,
  surveyed,
  uploads,
  destination,
  settings,
  relays,
}: EstimateInput): RequestCounts {
  const { plan, previous, present, listingBegan } = planAll;
  const counts: RequestCounts = { list: surveyed.list, get: surveyed.get, put: 0, copy: 0, delete: 0 };
  if (previous !== undefined && plan.planned.length === 0) {
    const swept = leftoverKeys(present.values(), destination, previous.manifest, listingBegan).length;
    const ended = leftoverUploads(uploads, destination, listingBegan).length;
    counts.list++;
    // The manifest is written anew before a sweep that has no commit of its own.
    if (swept + ended > 0) counts.put++;
    addUnnamed(counts, swept);
    counts.delete += ended;
    return counts;
  }
  for (const output of plan.planned) {
    for (const [name, count] of Object.entries(requestsOf(output, planAll, destination, settings, relays))) {
      counts[name as RequestClass] += count;
    }
  }
  // What stays is copied from index to index.
  if (plan.sealed.length > 0) counts.get += previous?.sources.requests ?? 0;
  counts.list++;
  // Before the manifest is written, the index and the new outputs are looked for.
  counts.list += Math.ceil((present.size + plan.planned.length + 1) / PER_REQUEST);
  counts.put += 2;
  const kept = new Set([...plan.sealed, ...plan.planned].map(({ key }) => key));
  const replaced = previous?.manifest.outputs.filter(({ key }) => !kept.has(key)).length ?? -1;
  const swept = leftoverKeys(
    present.values(),
    destination,
    expected(planAll, destination),
    listingBegan,
  ).length;
  const sidecars = plan.planned.filter(({ mode }) => mode === 'encode').length;
  addUnnamed(counts, replaced + 1 + sidecars);
  addUnnamed(counts, swept);
  counts.delete += ourUploads(uploads, destination).length;
  return counts;
}

/** The manifest is read before every request that deletes what it does not name. */
function addUnnamed(counts: RequestCounts, keys: number): void {
  const batches = Math.ceil(keys / PER_REQUEST);
  counts.get += batches;
  counts.delete += batches;
}

export function actionOf(
  output: PlannedOutput,
  { present }: FullPlan,
  destination: Location,
): Exclude<OutputAction, 'sealed'> {
  const found = present.get(output.key);
  if (output.mode === 'encode') {
    return found !== undefined && present.has(sidecarKeyOf(output.key, destination)) ? 'reuse' : 'write';
  }
  if (found !== undefined && found.size >= output.size && found.size <= largestSize(output)) return 'reuse';
  return output.mode === 'copy' ? 'copy' : 'write';
}

function requestsOf(
  output: PlannedOutput,
  planAll: FullPlan,
  destination: Location,
  settings: Settings,
  relays: boolean,
): Partial<RequestCounts> {
  const { size, expectedSize, pieces, mode } = output;
  const { partSize } = settings;
  switch (actionOf(output, planAll, destination)) {
    case 'reuse':
      // Its HEAD and those of its sources; of what was encoded, its sidecar, its bytes and those of its sources.
      return { get: mode === 'encode' ? 3 + downloadsOf(output, settings) : 1 + pieces.length };
    case 'copy': {
      if (relays && pieces[0]?.from === undefined) return relayRequests(size, settings);
      const whole = pieces[0]?.from === undefined && size <= LARGEST_COPY;
      return whole ? { copy: 1 } : { put: 2, copy: Math.ceil(size / COPY_PART) };
    }
    case 'write': {
      const sidecar = mode === 'encode' ? 1 : 0;
      return { get: downloadsOf(output, settings), put: sidecar + putsOf(expectedSize, partSize) };
    }
  }
}

/** Its HEAD, its ranges and its parts. */
function relayRequests(size: number, settings: Settings): Partial<RequestCounts> {
  const { range, part } = streamedCopySizes(size, settings);
  return { get: 1 + Math.ceil(size / range), put: putsOf(size, part) };
}

/** One for a single part; otherwise one a part, one to begin and one to complete. */
function putsOf(size: number, partSize: number): number {
  const parts = Math.max(1, Math.ceil(size / partSize));
  return parts === 1 ? 1 : parts + 2;
}

/** The manifest that the run would write, as far as a sweep looks at it. */
function expected({ plan }: FullPlan, { prefix }: Location): Manifest {
  const outputs = plan.planned.map(({ key, size }) => ({ key, size, etag: '', crc32: '', sources: 0 }));
  return {
    version: MANIFEST_VERSION,
    generation: plan.generation,
    source: '',
    destination: '',
    createdAt: '',
    settings: {},
    totals: { objects: 0, bytes: 0, outputs: 0, outputBytes: 0, skipped: plan.skipped },
    outputs: [...plan.sealed, ...outputs],
    sources: { key: `${prefix}_sources`, count: 0 },
  };
}
