import { RollupError, hasCode } from '../../errors.ts';
import { isOurs } from '../commit/cleanup.ts';
import { withCommitted } from '../committed/read-committed.ts';
import { listByKey } from '../committed/read-destination.ts';
import { type OutputSources } from '../committed/sources-of-output.ts';
import { checksumOf, formatChecksum, isSame } from '../model/checksum/checksum.ts';
import { sourceStore, untilStopped } from '../model/endpoints.ts';
import { type Location, parseSource } from '../model/location.ts';
import {
  type CommittedOutput,
  type CommittedSource,
  MANIFEST_NAME,
  type Manifest,
  type Rollup,
  namedKeys,
  wholeLength,
} from '../model/manifest.ts';
import { sideBySide } from '../model/side-by-side.ts';
import type { ListedObject } from '../model/store.ts';
import { committedSelector } from '../plan/select.ts';
import { compareOutput } from './compare.ts';
import { type VerifyProblem, type VerifyContext, type VerifyReport } from './report.ts';
import { checkOutputs } from './verify-outputs.ts';
import { RawCheck } from './verify-raw.ts';

/**
 * Compares the current commit of a destination with the objects in it and with the sources in raw.
 *
 * @param destination the destination of a rollup
 * @param given the stores and the signal; with `deep`, every byte of outputs and sources is read and compared
 * @returns a report: `ok` without problems, `mismatch` with them
 * @throws RollupError `NoManifest` if nothing is committed, `BadManifest`, `ManifestVersion`, and those of S3
 */
export async function verify(destination: Location, given: VerifyContext): Promise<VerifyReport> {
  const context = untilStopped(given);
  const { store, signal } = context;
  try {
    return await withCommitted(store, destination, undefined, (rollup) => {
      if (rollup === undefined) throw noManifest(destination);
      return verifyRollup(rollup, destination, context);
    });
  } catch (cause) {
    if (!signal.aborted || hasCode(cause, 'Aborted')) throw cause;
    throw new RollupError('Aborted', 'The run was stopped.', { cause });
  }
}

async function verifyRollup(
  rollup: Rollup,
  destination: Location,
  context: VerifyContext,
): Promise<VerifyReport> {
  const { store, deep, signal } = context;
  const rawStore = sourceStore(context);
  const { manifest } = rollup;
  const source = parseSource(manifest.source);
  const stored = await listByKey(store, destination, signal);
  const select = committedSelector(manifest, source.prefix);
  const raw = new RawCheck(select);
  const committed = rollup.sources.inKeyOrder({ signal, last: true });
  for await (const pairs of sideBySide(rawStore.list(source, signal), committed)) raw.take(pairs);

  const done = {
    outputs: 0,
    bytes: 0,
    totalOutputs: manifest.outputs.length,
    totalBytes: manifest.totals.outputBytes,
  };
  const check = async (
    { output, sources }: OutputSources,
    stopped: AbortSignal,
  ): Promise<VerifyProblem[]> => {
    stopped.throwIfAborted();
    const problems = checkOffsets(output, sources);
    if (problems.length === 0)
      problems.push(...(await checkStored(output, stored.get(output.key), context, destination)));
    if (problems.length === 0 && deep) {
      const present = sources.map(({ ordinal }) => raw.present.has(ordinal));
      const onArchived = (): void => {
        raw.expired++;
      };
      const comparison = { destination, source, output, sources, present, onArchived };
      problems.push(...(await compareOutput({ store, raw: rawStore }, comparison, stopped)));
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
    objects,
    bytes,
    outputs,
    outputBytes,
    expired: raw.expired,
    unnamed: [...stored.keys()].filter((key) => isOurs(key, destination) && !named.has(key)).length,
    problems,
  };
}

/** Checks that the sources of an output lie in it one behind another, with at most one added newline behind each. */
function checkOffsets(output: CommittedOutput, sources: CommittedSource[]): VerifyProblem[] {
  let end = 0;
  const textSize = output.decoded?.size ?? output.size;
  const broken = sources.find((source) => {
    const { offset, length, size, encoding, header = 0 } = source;
    const follows = offset === end || (offset === end + 1 && end > 0);
    const fits = follows && header <= offset && (wholeLength(source) === size || encoding !== undefined);
    end = offset + length;
    return !fits;
  });
  const rest = textSize - end;
  if (broken === undefined && sources.length === output.sources && (rest === 0 || rest === 1)) return [];
  const why =
    broken !== undefined
      ? `the frame of ${broken.key} does not follow the one before it`
      : `${sources.length} frames end at byte ${end}, where there should be ${output.sources} and ${textSize} bytes`;
  return [{ code: 'sources-inconsistent', message: `${output.key}: ${why}.`, output: output.key }];
}

/** Checks that an output is stored with the size, the ETag and the checksum that were committed. */
async function checkStored(
  output: CommittedOutput,
  stored: ListedObject | undefined,
  { store }: VerifyContext,
  { bucket }: Location,
): Promise<VerifyProblem[]> {
  const { key, size, etag } = output;
  if (stored === undefined) {
    return [{ code: 'output-missing', message: `${key} is not there.`, output: key }];
  }
  if (stored.size !== size || stored.etag !== etag) {
    const message = `${key} has ${stored.size} bytes and ETag ${stored.etag}; committed were ${size} and ${etag}.`;
    return [{ code: 'output-changed', message, output: key }];
  }
  const head = await store.head({ bucket, key });
  const committed = checksumOf(output);
  const found = head?.checksum;
  // Where S3 holds none, or another kind of one, size and ETag are all that is compared without a look at the bytes.
  if (found?.algorithm !== committed.algorithm || isSame(found, committed)) return [];
  const message = `${key} has ${formatChecksum(found)}; committed was ${committed.digits}.`;
  return [{ code: 'output-checksum', message, output: key }];
}

/** Checks that the totals of the manifest are those of its outputs and its sources. */
function checkTotals({ totals, outputs }: Manifest, { objects, bytes, repeated }: RawCheck): VerifyProblem[] {
  const outputBytes = outputs.reduce((total, { size }) => total + size, 0);
  const areTrue =
    totals.objects === objects &&
    totals.bytes === bytes &&
    totals.outputs === outputs.length &&
    totals.outputBytes === outputBytes &&
    repeated === 0;
  const message = 'The totals of the manifest, its outputs and its sources do not agree.';
  return areTrue ? [] : [{ code: 'sources-inconsistent', message }];
}

function noManifest({ bucket, prefix }: Location): RollupError {
  const key = prefix + MANIFEST_NAME;
  return new RollupError('NoManifest', `s3://${bucket}/${key} is not there: nothing is rolled up under it.`, {
    key,
  });
}
