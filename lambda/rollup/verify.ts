import pLimit from 'p-limit';
import { RollupError } from '../errors.ts';
import { allOrFirstFailure } from './in-order.ts';
import { isOurs } from './cleanup.ts';
import { readCommitted } from './committed.ts';
import { compareOutput } from './compare.ts';
import { type Location, parseLocation } from './location.ts';
import {
  type CommittedOutput,
  type CommittedSource,
  MANIFEST_NAME,
  type Rollup,
  formatCrc32,
  namedKeys,
} from './manifest.ts';
import { isArchived } from './plan.ts';
import { type Sides, rawOf } from './sides.ts';
import { type Selector, committedSelector } from './select.ts';
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
  const { store, deep, concurrency, progress, signal } = context;
  const from = rawOf(context);
  const rollup = await readCommitted(store, destination);
  if (rollup === undefined) throw noManifest(destination);
  const { manifest } = rollup;
  const source = parseLocation(manifest.source);
  const stored = await listAll(store, destination);
  const raw = await listAll(from, source);
  const frames = Map.groupBy(rollup.sources, ({ output }) => output);

  const limit = pLimit(concurrency);
  const stop = new AbortController();
  const done = {
    outputs: 0,
    bytes: 0,
    totalOutputs: manifest.outputs.length,
    totalBytes: manifest.totals.outputBytes,
  };
  const checks = manifest.outputs.map((output) =>
    limit(async () => {
      signal.throwIfAborted();
      if (stop.signal.aborted) return [];
      const sources = frames.get(output.key) ?? [];
      const problems = checkFrames(output, sources);
      if (problems.length === 0)
        problems.push(...(await checkStored(output, stored.get(output.key), context, destination)));
      if (problems.length === 0 && deep) {
        const present = sources.map((frame) => isReadable(raw.get(frame.key), frame));
        problems.push(
          ...(await compareOutput({ store, raw: from }, { destination, source, output, sources, present })),
        );
      }
      done.outputs++;
      done.bytes += output.size;
      progress({ ...done });
      return problems;
    }),
  );
  const problems = [
    ...checkTotals(rollup),
    ...(await allOrFirstFailure(checks, stop)).flat(),
    ...checkRaw(rollup.sources, raw, committedSelector(manifest, source.prefix)),
  ];
  const { objects, bytes, outputs, outputBytes } = manifest.totals;
  const named = new Set(namedKeys(manifest));
  return {
    status: problems.length === 0 ? 'ok' : 'mismatch',
    source: manifest.source,
    destination: manifest.destination,
    deep,
    ...{ objects, bytes, outputs, outputBytes },
    expired: rollup.sources.filter(({ key }) => isGone(raw.get(key))).length,
    unnamed: [...stored.keys()].filter((key) => isOurs(key, destination) && !named.has(key)).length,
    problems,
  };
}

function isSame(now: ListedObject | undefined, committed: CommittedSource): boolean {
  return now !== undefined && now.etag === committed.etag && now.size === committed.size;
}

function isReadable(now: ListedObject | undefined, committed: CommittedSource): boolean {
  return isSame(now, committed) && !isGone(now);
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

function checkTotals({ manifest, sources }: Rollup): Problem[] {
  const { totals, outputs } = manifest;
  const sum = (sizes: { size: number }[]): number => sizes.reduce((total, { size }) => total + size, 0);
  const holds =
    totals.objects === sources.length &&
    totals.bytes === sum(sources) &&
    totals.outputs === outputs.length &&
    totals.outputBytes === sum(outputs) &&
    new Set(sources.map(({ key }) => key)).size === sources.length;
  const message = 'The totals of the manifest, its outputs and its sources do not agree.';
  return holds ? [] : [{ code: 'sources-inconsistent', message }];
}

/** What is in raw and not, or not as it is now, in the rollup, though it was to be. */
function checkRaw(committed: CommittedSource[], raw: Map<string, ListedObject>, select: Selector): Problem[] {
  const byKey = new Map(committed.map((frame) => [frame.key, frame]));
  return [...raw.values()].flatMap((object): Problem[] => {
    const frame = byKey.get(object.key);
    const { key } = object;
    if (object.size === 0 || (frame !== undefined && isSame(object, frame))) return [];
    if (select(key) === undefined) return [];
    if (frame === undefined) {
      return [
        { code: 'source-late', message: `${key} is not in the rollup. Run again to add it.`, source: key },
      ];
    }
    const message = `${key} was changed after it was rolled up. Run again to rebuild the output that holds it.`;
    return [{ code: 'source-changed', message, source: key, output: frame.output }];
  });
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
