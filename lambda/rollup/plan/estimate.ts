import { COPY_PART, LARGEST_COPY } from '../../settings/settings.ts';
import type { Settings } from '../../settings/table.ts';
import { sidecarKeyOf } from '../codec/sidecar.ts';
import { leftoverKeys, ourUploads, planSweep } from '../commit/cleanup.ts';
import { isSameSource } from '../commit/commit.ts';
import { SOURCES_NAME, SYMLINKS_NAME, wantedMarkers } from '../commit/markers.ts';
import { INDEX_PART } from '../commit/sources-index.ts';
import { MOST_HELD } from '../commit/spool.ts';
import { ALGORITHMS } from '../model/checksum/checksum.ts';
import { expectedFormat } from '../model/format.ts';
import type { Location } from '../model/location.ts';
import { type Manifest } from '../model/manifest.ts';
import { type PlannedOutput, isFromRaw } from '../model/output.ts';
import type { OpenUpload } from '../model/store.ts';
import { isInParts, largestSize } from '../write/source-offsets.ts';
import { streamedCopySizes } from '../write/streamed-copy.ts';
import { downloadsOf, memoryOf } from '../write/write-encoded.ts';
import type { FullPlan } from './list-and-plan.ts';

/** Classes in which S3 prices requests. */
export type RequestClass = 'list' | 'get' | 'put' | 'copy' | 'delete';

/** Numbers of requests by class. */
export type RequestCounts = Record<RequestClass, number>;

/**
 * The action of a run for an output.
 *
 * - `write`, `copy`: it is uploaded, or copied inside S3.
 * - `reuse`: it exists already, from a run that did not come to its commit.
 * - `sealed`: it is committed and stays as it is.
 */
export type OutputAction = 'write' | 'copy' | 'reuse' | 'sealed';

/** The facts that decide the requests of a run. */
export interface EstimateInput {
  /** The result of `planAll`. */
  fullPlan: FullPlan;
  /** Requests that `planAll` made: a run makes the same. */
  planningRequests: Pick<RequestCounts, 'list' | 'get'>;
  /** Uploads that are open under the destination. */
  uploads: OpenUpload[];
  destination: Location;
  settings: Settings;
  /** True if the sources stay whatever the settings say: see `keepSourceOf`. */
  keepSource: true | undefined;
  /** True if S3 cannot copy from source to destination itself, so that copies are streamed through this process. */
  streamsCopies: boolean;
  /** True of any store but Amazon S3 itself: ranges are streamed there, and conditional writes tried out before a commit. */
  isForeignStore: boolean;
}

/** Keys of one listing, and of one delete. */
const KEYS_PER_REQUEST = 1000;

/**
 * Estimates the requests that a run makes, if nothing changes before it and no request has to be repeated. It may make a
 * part more or less where sources lack their last newline: how many do is known only once they are read. Sources of
 * existing outputs are taken to have a checksum in S3, as those have that today's SDKs wrote; a run downloads the others.
 *
 * @returns the number of requests of each class in which S3 prices them
 */
export function estimateRequests(input: EstimateInput): RequestCounts {
  const counts = estimateCommit(input);
  addMarkers(counts, input);
  const { fullPlan, keepSource } = input;
  const { plan, previous } = fullPlan;
  // The manifest is replaced by itself.
  if (previous !== undefined && plan.planned.length === 0 && keepSource !== previous.manifest.keepSource)
    counts.put++;
  if (input.settings.deleteSource && input.keepSource !== true) addDeletes(counts, input);
  return counts;
}

/** True if a run would commit: something is new, or what is committed is of the folder of a source taken as written. */
export function isCommitExpected({ plan, previous, source }: FullPlan): boolean {
  return plan.planned.length > 0 || previous === undefined || !isSameSource(previous, source);
}

/** Markers that exist are taken to be right if nothing is to be committed, and to be replaced otherwise. */
function addMarkers(counts: RequestCounts, { fullPlan, destination, settings }: EstimateInput): void {
  const { plan, present } = fullPlan;
  const wanted = wantedMarkers(settings, destination, present);
  if (wanted.success) counts.put++;
  if (!wanted.symlinks) return;
  const hasCopy = present.has(destination.prefix + SOURCES_NAME);
  // The list, the copy of the index, and the manifest before and after; if there is a copy, the index too.
  counts.get += 4 + (hasCopy ? 1 : 0);
  const changes = isCommitExpected(fullPlan);
  if (changes || !present.has(destination.prefix + SYMLINKS_NAME))
    counts.put += plan.sealed.length + plan.planned.length > 0 ? 1 : 0;
  if (!changes && hasCopy) return;
  counts.get++;
  counts.put += indexPuts(indexSize(fullPlan.plan));
}

/** Bytes of the index of sources, about: some 70 of each. */
function indexSize({ sealed, planned }: Pick<FullPlan['plan'], 'sealed' | 'planned'>): number {
  const kept = sealed.reduce((sum, { sources }) => sum + sources, 0);
  return 70 * planned.reduce((sum, { pieces }) => sum + pieces.length, kept);
}

/** The PUTs of an index: one, unless it is larger than memory holds. */
function indexPuts(size: number): number {
  return size <= MOST_HELD ? 1 : putsOf(size, INDEX_PART);
}

/** All that is listed and rolled up is taken to be deleted. Objects that have left raw by then take fewer requests. */
function addDeletes(counts: RequestCounts, { fullPlan, planningRequests }: EstimateInput): void {
  const { plan, present, previous } = fullPlan;
  const pages = planningRequests.list - Math.max(1, Math.ceil(present.size / KEYS_PER_REQUEST));
  const outputs = plan.sealed.length + plan.planned.length;
  const batches = outputs === 0 ? 0 : pages;
  // The manifest and its index, every output, and the manifest before every batch.
  counts.get += 2 + outputs + batches + proofsOf(plan);
  // A large index is read twice in ranges: in its order, and in key order.
  counts.get += 2 * (previous?.sources.requests ?? 0);
  counts.list += pages;
  counts.delete += batches;
  // The store is tried out with an object of our own: see `Store.keepsChanged`.
  if (batches === 0) return;
  counts.put += 1;
  counts.get += 1;
  counts.delete += 3;
}

/**
 * GETs and HEADs to compare outputs that the run did not write from raw with their sources, before these are deleted: a
 * HEAD of each source; to see that a tool reads sources out that were joined as they are, a GET of a compressed output, or
 * of the first bytes of each source; if sources were decoded, a GET of each, and one of the output.
 */
function proofsOf({ sealed, planned }: FullPlan['plan']): number {
  let requests = 0;
  for (const { key, sources, codec } of sealed)
    requests += sources + (codec === undefined ? kindReads(key, sources) : sources + 1);
  for (const output of planned) {
    if (isFromRaw(output)) continue;
    const { pieces, mode } = output;
    const inRaw = pieces.filter(({ from }) => from === undefined).length;
    requests += 1 + pieces.length + (mode === 'encode' ? 0 : kindReads(output.key, inRaw));
  }
  return requests;
}

/** GETs to see that a tool reads the sources out of an output. */
function kindReads(key: string, sources: number): number {
  if (sources < 2) return 0;
  const { kind } = expectedFormat(key);
  return kind === 'gzip' || kind === 'zstd' ? 1 : kind === 'plain' ? sources : 2 * sources;
}

/** The requests up to the commit and for leftovers, without markers and the deletion of sources. */
function estimateCommit({
  fullPlan,
  planningRequests,
  uploads,
  destination,
  settings,
  streamsCopies,
  isForeignStore,
}: EstimateInput): RequestCounts {
  const { plan, previous, present, listingBegan } = fullPlan;
  const counts: RequestCounts = {
    list: planningRequests.list,
    get: planningRequests.get,
    put: 0,
    copy: 0,
    delete: 0,
  };
  if (previous !== undefined && !isCommitExpected(fullPlan)) {
    const sweep = planSweep(previous, destination, { present, uploads, listingBegan });
    counts.list++;
    if (sweep.replacesManifest) counts.put++;
    addUnnamed(counts, sweep.keys.length);
    counts.delete += sweep.uploads.length;
    return counts;
  }
  for (const output of plan.planned) {
    for (const [name, count] of Object.entries(
      requestsOf(output, fullPlan, destination, settings, { streamsCopies, isForeignStore }),
    )) {
      counts[name as RequestClass] += count;
    }
  }
  // The lines of sealed outputs are copied from the current index to the new one.
  if (plan.sealed.length > 0) counts.get += previous?.sources.requests ?? 0;
  // Open uploads; and before the manifest is written, the destination, to see that the index and the outputs exist.
  counts.list += 1 + Math.ceil((present.size + plan.planned.length + 1) / KEYS_PER_REQUEST);
  const index = indexSize(plan);
  // A large index is looked for before it is uploaded.
  if (index > MOST_HELD) counts.get++;
  counts.put += 1 + indexPuts(index);
  if (isForeignStore) {
    // Conditional writes are tried out: see `Store.keepsConditions`.
    counts.put += 3;
    counts.delete += 1;
    const isJoined = (output: PlannedOutput): boolean =>
      output.mode === 'assemble' && actionOf(output, fullPlan, destination) === 'write';
    const joined = plan.planned.filter(isJoined);
    if (joined.length > 0) {
      // So are checksums, by an object and by an upload with a part, which is aborted: see `Store.verifiesUploadsBy`.
      counts.put += ALGORITHMS.length * 3;
      counts.delete += ALGORITHMS.length;
      if (joined.some((output) => isInParts(output, settings))) {
        // And the CRC-64/NVME of an object of two parts, which is looked at and deleted.
        counts.put += 4;
        counts.get += 1;
        counts.delete += 1;
      }
    }
  }
  const kept = new Set([...plan.sealed, ...plan.planned].map(({ key }) => key));
  const replaced = previous?.manifest.outputs.filter(({ key }) => !kept.has(key)).length ?? -1;
  const swept = leftoverKeys(
    present.values(),
    destination,
    expectedManifest(fullPlan, destination),
    listingBegan,
  ).length;
  const sidecars = plan.planned.filter(({ mode }) => mode === 'encode').length;
  // The index of the same sources has the same name: its PUT is refused, it is looked at, and stays.
  const staysIndex = plan.planned.length === 0 && previous !== undefined;
  if (staysIndex) counts.get++;
  addUnnamed(counts, replaced + (staysIndex ? 0 : 1) + sidecars);
  addUnnamed(counts, swept);
  counts.delete += ourUploads(uploads, destination).length;
  return counts;
}

/** Deletes of objects that the manifest does not name: it is read before each request. */
function addUnnamed(counts: RequestCounts, keys: number): void {
  const batches = Math.ceil(keys / KEYS_PER_REQUEST);
  counts.get += batches;
  counts.delete += batches;
}

/**
 * The action of a run for a planned output.
 *
 * @param fullPlan the listing of the destination, as `planAll` returns it
 */
export function actionOf(
  output: PlannedOutput,
  fullPlan: Pick<FullPlan, 'present'>,
  destination: Location,
): Exclude<OutputAction, 'sealed'> {
  const { present } = fullPlan;
  const found = present.get(output.key);
  if (output.mode === 'encode') {
    return found !== undefined && present.has(sidecarKeyOf(output.key, destination)) ? 'reuse' : 'write';
  }
  if (found !== undefined && found.size >= output.size && found.size <= largestSize(output)) return 'reuse';
  return output.mode === 'copy' ? 'copy' : 'write';
}

function requestsOf(
  output: PlannedOutput,
  fullPlan: FullPlan,
  destination: Location,
  settings: Settings,
  { streamsCopies, isForeignStore }: Pick<EstimateInput, 'streamsCopies' | 'isForeignStore'>,
): Partial<RequestCounts> {
  const { size, expectedSize, pieces, mode } = output;
  switch (actionOf(output, fullPlan, destination)) {
    case 'reuse':
      // An output of joined sources takes its HEAD and those of its sources. An encoded one takes its HEAD, its sidecar, its
      // bytes and those of its sources.
      return { get: mode === 'encode' ? 3 + downloadsOf(output, settings) : 1 + pieces.length };
    case 'copy': {
      const fromRaw = pieces[0]?.from === undefined;
      if (streamsCopies && fromRaw) return streamedCopyRequests(size, settings);
      const whole = pieces[0]?.from?.whole ?? true;
      if (whole && size <= LARGEST_COPY) return { copy: 1 };
      if (isForeignStore) return streamedCopyRequests(size, settings);
      return { put: 2, copy: Math.ceil(size / COPY_PART) };
    }
    case 'write': {
      const get = downloadsOf(output, settings);
      if (mode !== 'encode') return { get, put: putsOf(expectedSize, settings.partSize) };
      // Its sidecar is one more.
      return { get, put: 1 + putsOf(expectedSize, memoryOf(settings).part) };
    }
  }
}

/** The requests of a streamed copy: a HEAD, its ranges and its parts. */
function streamedCopyRequests(size: number, settings: Settings): Partial<RequestCounts> {
  const { range, part } = streamedCopySizes(size, settings);
  return { get: 1 + Math.ceil(size / range), put: putsOf(size, part) };
}

/** The PUTs of an upload: one for a single part; otherwise one for each part, one to begin and one to complete. */
function putsOf(size: number, partSize: number): number {
  const parts = Math.max(1, Math.ceil(size / partSize));
  return parts === 1 ? 1 : parts + 2;
}

/** The manifest that the run would write, with the fields that decide which objects are leftovers. */
function expectedManifest({ plan }: FullPlan, { prefix }: Location): Manifest {
  const outputs = plan.planned.map(({ key, size }) => ({ key, size, etag: '', crc32: '', sources: 0 }));
  return {
    version: 1,
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
