import { RollupError } from '../errors.ts';
import { Bits } from './bits.ts';
import { isOurs } from './cleanup.ts';
import { withCommitted } from './committed.ts';
import { compareOutput } from './compare.ts';
import { FirstFailure } from './in-order.ts';
import { type Location, parseLocation } from './location.ts';
import {
  type CommittedOutput,
  type CommittedSource,
  MANIFEST_NAME,
  type Manifest,
  type Rollup,
  formatCrc32,
  namedKeys,
} from './manifest.ts';
import { isArchived } from './reconcile.ts';
import { type Pair, sideBySide } from './side-by-side.ts';
import { type Sides, rawOf } from './sides.ts';
import { type Selector, committedSelector } from './select.ts';
import type { StoredSource } from './source-lines.ts';
import type { ListedObject, Store } from './store.ts';

/** A way in which what is stored is not what was committed, or what was committed is not what is in raw. */
export interface Problem {
  code:
    | 'output-missing'
    | 'output-changed'
    | 'output-checksum'
    | 'output-bytes'
    | 'sources-inconsistent'
    | 'source-late'
    | 'source-changed'
    | 'source-bytes';
  message: string;
  /** Key of the output. */
  output?: string;
  /** Where in the output the first difference is. */
  offset?: number;
  /** Key of the source. */
  source?: string;
}

export interface VerifyReport {
  status: 'ok' | 'mismatch';
  source: string;
  destination: string;
  deep: boolean;
  objects: number;
  bytes: number;
  outputs: number;
  outputBytes: number;
  /** Committed sources that have left raw, or are archived: only the outputs' own checksums speak for them. */
  expired: number;
  /** Objects of ours in the destination that the manifest does not name; a later run sweeps them. */
  unnamed: number;
  problems: Problem[];
}

export interface VerifyContext extends Sides {
  /** Read every byte of both sides. */
  deep: boolean;
  /** Outputs checked at once; each is compared through two streams. */
  concurrency: number;
  /** Told after each output: how much of the whole is done. */
  progress: (done: { outputs: number; bytes: number; totalOutputs: number; totalBytes: number }) => void;
  signal: AbortSignal;
}

/** Compares what is committed under a destination with what is there and with what is in raw. Throws `NoManifest`. */
export async function verify(destination: Location, context: VerifyContext): Promise<VerifyReport> {
  return withCommitted(context.store, destination, undefined, (rollup) => {
    if (rollup === undefined) throw noManifest(destination);
    return verifyRollup(rollup, destination, context);
  });
}

async function verifyRollup(
  rollup: Rollup,
  destination: Location,
  context: VerifyContext,
): Promise<VerifyReport> {
  const { store, deep, signal } = context;
  const from = rawOf(context);
  const { manifest } = rollup;
  const source = parseLocation(manifest.source);
  const stored = await listAll(store, destination);
  const select = committedSelector(manifest, source.prefix);
  const raw = new RawCheck(select);
  const committed = rollup.sources.inKeyOrder({ signal, last: true });
  for await (const pairs of sideBySide(from.list(source, signal), committed)) raw.take(pairs);

  const done = {
    outputs: 0,
    bytes: 0,
    totalOutputs: manifest.outputs.length,
    totalBytes: manifest.totals.outputBytes,
  };
  const check = async ({ output, sources }: Frames): Promise<Problem[]> => {
    signal.throwIfAborted();
    const problems = checkFrames(output, sources);
    if (problems.length === 0)
      problems.push(...(await checkStored(output, stored.get(output.key), context, destination)));
    if (problems.length === 0 && deep) {
      const present = sources.map(({ ordinal }) => raw.present.has(ordinal));
      problems.push(
        ...(await compareOutput({ store, raw: from }, { destination, source, output, sources, present })),
      );
    }
    done.outputs++;
    done.bytes += output.size;
    context.progress({ ...done });
    return problems;
  };
  const found = await checkOutputs(rollup, context, check);
  const { objects, bytes, outputs, outputBytes } = manifest.totals;
  const named = new Set(namedKeys(manifest));
  const problems = [...checkTotals(manifest, raw), ...found, ...raw.problems];
  return {
    status: problems.length === 0 ? 'ok' : 'mismatch',
    source: manifest.source,
    destination: manifest.destination,
    deep,
    ...{ objects, bytes, outputs, outputBytes },
    expired: raw.expired,
    unnamed: [...stored.keys()].filter((key) => isOurs(key, destination) && !named.has(key)).length,
    problems,
  };
}

/** Sources whose lines are held for outputs that are being checked; those of one output in any case. */
const MOST_HELD = 50_000;

/** Checks every output, several at once, as the index comes to them. The problems are in the order of the manifest. */
async function checkOutputs(
  { manifest, sources }: Rollup,
  { concurrency, signal }: VerifyContext,
  check: (frames: Frames) => Promise<Problem[]>,
): Promise<Problem[]> {
  const problems = new Map<string, Promise<Problem[]>>();
  const stop = new AbortController();
  const failures = new FirstFailure(stop);
  const underWay = new Set<Promise<unknown>>();
  let held = 0;
  const begin = async (frames: Frames): Promise<void> => {
    const length = frames.sources.length;
    while (underWay.size >= concurrency || (underWay.size > 0 && held + length > MOST_HELD))
      await Promise.race(underWay);
    failures.throwIfFailed();
    held += length;
    const checking = failures.watch(check(frames));
    const ended = checking
      .catch(() => undefined)
      .then(() => {
        held -= length;
        underWay.delete(ended);
      });
    underWay.add(ended);
    const { key } = frames.output;
    // One whose sources are told of in two places: what was found first says so.
    if (!problems.has(key)) problems.set(key, checking);
  };
  try {
    for await (const frames of framesByOutput(manifest.outputs, sources.stored(signal))) await begin(frames);
    for (const output of manifest.outputs)
      if (!problems.has(output.key)) await begin({ output, sources: [] });
  } finally {
    await Promise.all(underWay);
    failures.throwIfAny();
  }
  return (await Promise.all(manifest.outputs.map(({ key }) => problems.get(key) ?? []))).flat();
}

/** An output, and the lines of the index that lie beside each other and tell of it. */
interface Frames {
  output: CommittedOutput;
  sources: StoredSource[];
}

async function* framesByOutput(
  outputs: CommittedOutput[],
  stored: AsyncIterable<StoredSource[]>,
): AsyncGenerator<Frames> {
  const byKey = new Map(outputs.map((output) => [output.key, output]));
  let key: string | undefined;
  let sources: StoredSource[] = [];
  for await (const some of stored) {
    for (const source of some) {
      const output = key === undefined ? undefined : byKey.get(key);
      if (source.output !== key) {
        if (output !== undefined) yield { output, sources };
        key = source.output;
        sources = [];
      }
      // Those of an output that the manifest does not name are counted, and that is all.
      if (byKey.has(source.output)) sources.push(source);
    }
  }
  const output = key === undefined ? undefined : byKey.get(key);
  if (output !== undefined) yield { output, sources };
}

/** What comes of a comparison of raw with what is committed, side by side. */
class RawCheck {
  /** What is in raw and not, or not as it is now, in the rollup, though it was to be. */
  readonly problems: Problem[] = [];
  /** By ordinal: sources that can be read in raw as they were committed. */
  readonly present = new Bits();
  /** Committed sources. */
  objects = 0;
  bytes = 0;
  expired = 0;
  /** Committed sources under the key of another. */
  repeated = 0;
  readonly #select: Selector;
  #last: string | undefined;

  constructor(select: Selector) {
    this.#select = select;
  }

  take(pairs: Pair<ListedObject, StoredSource>[]): void {
    for (const [now, was] of pairs) {
      if (was !== undefined) {
        this.objects++;
        this.bytes += was.size;
        if (was.key === this.#last) this.repeated++;
        this.#last = was.key;
        if (isGone(now)) this.expired++;
        else if (isSame(now, was)) this.present.add(was.ordinal);
      }
      if (now !== undefined) this.#check(now, was);
    }
  }

  #check(now: ListedObject, was: CommittedSource | undefined): void {
    const { key } = now;
    if (now.size === 0 || (was !== undefined && isSame(now, was)) || this.#select(key) === undefined) return;
    if (was === undefined) {
      const message = `${key} is not in the rollup. Run again to add it.`;
      this.problems.push({ code: 'source-late', message, source: key });
      return;
    }
    const message = `${key} was changed after it was rolled up. Run again to rebuild the output that holds it.`;
    this.problems.push({ code: 'source-changed', message, source: key, output: was.output });
  }
}

function isSame(now: ListedObject | undefined, committed: CommittedSource): boolean {
  return now?.etag === committed.etag && now.size === committed.size;
}

/** Its bytes cannot be had from raw, though it may be listed there. */
function isGone(now: ListedObject | undefined): boolean {
  return now === undefined || now.size === 0 || isArchived(now);
}

/** The frames of an output lie one behind another, with one added newline between two of them at the most. */
function checkFrames(output: CommittedOutput, frames: CommittedSource[]): Problem[] {
  let end = 0;
  const textSize = output.decoded?.size ?? output.size;
  const broken = frames.find(({ offset, length, size, encoding }) => {
    const follows = offset === end || (offset === end + 1 && end > 0);
    const fits = follows && (length === size || encoding !== undefined);
    end = offset + length;
    return !fits;
  });
  const rest = textSize - end;
  if (broken === undefined && frames.length === output.sources && (rest === 0 || rest === 1)) return [];
  const why =
    broken !== undefined
      ? `the frame of ${broken.key} does not follow the one before it`
      : `${frames.length} frames end at byte ${end}, where there should be ${output.sources} and ${textSize} bytes`;
  return [{ code: 'sources-inconsistent', message: `${output.key}: ${why}.`, output: output.key }];
}

async function checkStored(
  output: CommittedOutput,
  stored: ListedObject | undefined,
  { store }: VerifyContext,
  { bucket }: Location,
): Promise<Problem[]> {
  const { key, size, etag, crc32 } = output;
  if (stored === undefined) {
    return [{ code: 'output-missing', message: `${key} is not there.`, output: key }];
  }
  if (stored.size !== size || stored.etag !== etag) {
    const message = `${key} has ${stored.size} bytes and ETag ${stored.etag}; committed were ${size} and ${etag}.`;
    return [{ code: 'output-changed', message, output: key }];
  }
  const head = await store.head({ bucket, key });
  if (head?.crc32 === undefined || formatCrc32(head.crc32) === crc32) return [];
  const message = `${key} has CRC-32 ${formatCrc32(head.crc32)}; committed was ${crc32}.`;
  return [{ code: 'output-checksum', message, output: key }];
}

function checkTotals({ totals, outputs }: Manifest, { objects, bytes, repeated }: RawCheck): Problem[] {
  const outputBytes = outputs.reduce((total, { size }) => total + size, 0);
  const holds =
    totals.objects === objects &&
    totals.bytes === bytes &&
    totals.outputs === outputs.length &&
    totals.outputBytes === outputBytes &&
    repeated === 0;
  const message = 'The totals of the manifest, its outputs and its sources do not agree.';
  return holds ? [] : [{ code: 'sources-inconsistent', message }];
}

async function listAll(store: Store, at: Location): Promise<Map<string, ListedObject>> {
  const objects = new Map<string, ListedObject>();
  for await (const page of store.list(at)) for (const object of page) objects.set(object.key, object);
  return objects;
}

function noManifest({ bucket, prefix }: Location): RollupError {
  const key = prefix + MANIFEST_NAME;
  return new RollupError('NoManifest', `s3://${bucket}/${key} is not there: nothing is rolled up under it.`, {
    key,
  });
}
