import { isDeepStrictEqual } from 'node:util';
import type { RollupError } from '../../errors.ts';
import { parseSettings } from '../../settings/settings.ts';
import { type Settings } from '../../settings/table.ts';
import { isOurs } from '../commit/cleanup.ts';
import { isSourceOf } from '../committed/read-committed.ts';
import { encodingOf } from '../model/encoding.ts';
import { compareKeys } from '../model/key-order.ts';
import { formatLocation, parseSource } from '../model/location.ts';
import { type CommittedOutput, type Manifest, wholeLength } from '../model/manifest.ts';
import { type Origin, type Piece, type PlannedOutput, lengthOf } from '../model/output.ts';
import type { RollupContext, RollupRequest } from '../model/run.ts';
import { kindOfOutput, shapeOutput } from '../plan/pack.ts';
import { folderOf, nextIndex } from '../plan/planner.ts';
import { originInOutput } from '../plan/reconcile.ts';
import { canLeaveOutHeader } from '../plan/refuse.ts';
import { createSelector } from '../plan/select.ts';
import { type PlanAt, type PlanHeader, badPlan, pickSealed, planFiles } from './plan-file.ts';

/*
 * A plan lies where others may write, and decides which objects are read, written and deleted. So nothing in it is
 * trusted: each step checks it against its request and against the current manifest before it does anything by it. Every
 * error is `BadPlan`.
 */

/** The manifest that the plan was made from, undefined if there was none; `replaced` if it is not the current one. */
export type Basis = Manifest | undefined | 'replaced';

/**
 * Checks that a plan is one for this request.
 *
 * @returns the request with the plan's source, which may be the folder where the request's prefix lacks its slash and is not
 *   to be taken as written
 * @throws RollupError `BadPlan`
 */
export function checkHeader(header: PlanHeader, at: PlanAt, request: RollupRequest): RollupRequest {
  const { source, destination, repack = false, asWritten = false } = request;
  const planned = !asWritten && isSourceOf(header.source, source) ? parseSource(header.source) : source;
  const { key } = planFiles(at).header;
  const folder = formatLocation(at.destination);
  const requestedFolder = formatLocation(destination);
  if (folder !== requestedFolder)
    throw badPlan(key, `it lies under ${folder}, and the request is for ${requestedFolder}`);
  for (const [name, inPlan, requested] of [
    ['source', header.source, formatLocation(planned)],
    ['destination', header.destination, requestedFolder],
    ['repack', header.repack, repack],
  ] as const)
    if (inPlan !== requested)
      throw badPlan(key, `its ${name} is ${inPlan}, and that of the request is ${requested}`);
  return { ...request, source: planned };
}

/** The settings of the plan, but for those that size a process: they come from the context. Throws `BadPlan`. */
export function settingsOf(
  { settings }: PlanHeader,
  at: PlanAt,
  { settings: { concurrency, outputsInFlight } }: Pick<RollupContext, 'settings'>,
): Settings {
  try {
    return { ...parseSettings(settings, (name) => name), concurrency, outputsInFlight };
  } catch (cause) {
    throw badPlan(planFiles(at).header.key, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/**
 * Checks a plan's header against the manifest that the plan was made from.
 *
 * @returns the outputs that stay as they are
 * @throws RollupError `BadPlan`
 */
export function checkBasis(
  { generation, repack, sealed }: PlanHeader,
  at: PlanAt,
  manifest: Manifest | undefined,
): CommittedOutput[] {
  const { key } = planFiles(at).header;
  const next = (manifest?.generation ?? 0) + (repack ? 1 : 0);
  if (generation !== next) throw badPlan(key, `its generation is ${generation}, and must be ${next}`);
  let leastIndex = 0;
  let count = 0;
  for (const [from, to] of sealed) {
    if (from < leastIndex || to < from)
      throw badPlan(key, `the range ${from} to ${to} of "sealed" is in no order`);
    leastIndex = to + 1;
    count += leastIndex - from;
  }
  const picked = pickSealed(manifest?.outputs ?? [], sealed);
  if (picked.length !== count)
    throw badPlan(key, `it keeps ${count} outputs, and the manifest names ${picked.length} of them`);
  return picked;
}

/** Checks one line of a plan. Throws `BadPlan`, which names the output and what is wrong with it. */
export type LineCheck = (output: PlannedOutput) => void;

/**
 * Creates a check of planned outputs, one by one: each must be the output that a plan of this request, with the header's
 * settings and from this manifest, makes of its sources, and may read objects under the source prefix and outputs that the
 * manifest names, and nothing else.
 */
export function createLineCheck(
  header: PlanHeader,
  at: PlanAt,
  { source, destination }: RollupRequest,
  { settings, basis }: { settings: Settings; basis: Basis },
): LineCheck {
  const { lines } = planFiles(at);
  const naming = {
    basis: header.previous ?? '',
    generation: header.generation,
    destination,
    newline: settings.newline,
    encoding: encodingOf(settings),
    headerLines: settings.headerLines,
  };
  const select = createSelector(settings, source.prefix);
  const manifest = basis === 'replaced' ? undefined : basis;
  const rebuilt = rebuiltOutputs(manifest, header);
  const first = basis === 'replaced' || header.repack ? 0 : nextIndex(manifest?.outputs ?? []);
  const most = basis === 'replaced' ? Number.MAX_SAFE_INTEGER : first + header.totals.outputs - 1;

  const bad = ({ key }: PlannedOutput, why: string): RollupError =>
    badPlan(lines.key, `the output ${key} ${why}`);

  /** Checks one source of an output; returns the folder that it belongs into. */
  function checkPiece(output: PlannedOutput, piece: Piece): string {
    const { key, size } = piece.source;
    if (!key.startsWith(source.prefix))
      throw bad(output, `holds ${key}, which is not under ${formatLocation(source)}`);
    if (size === 0) throw bad(output, `holds ${key}, which is empty`);
    if (!canLeaveOutHeader(piece, settings))
      throw bad(output, `holds ${key}, of which no header lines can be left out`);
    if (piece.from !== undefined) {
      checkOrigin(output, piece, piece.from);
      return folderOf(piece, select);
    }
    const folder = selected(key);
    if (folder === undefined) throw bad(output, `holds ${key}, which the plan's filters leave out`);
    return folder;
  }

  /** Checks the place in a committed output that a source is read from. */
  function checkOrigin(output: PlannedOutput, { source: { key, size } }: Piece, from: Origin): void {
    // A plan from a manifest that was replaced is given up, and nothing is read for it.
    if (basis === 'replaced') return;
    const holder = rebuilt.get(from.key);
    if (holder === undefined || !isOurs(from.key, destination))
      throw bad(
        output,
        `reads ${key} from ${from.key}, which is no output that the manifest names to be rebuilt`,
      );
    const expected = originInOutput({ ...from, size, output: from.key }, holder);
    const textSize = from.coded?.textSize ?? holder.size;
    const fits = from.offset + from.length <= textSize && (from.header ?? 0) <= from.offset;
    const isWhole =
      from.encoding === undefined
        ? wholeLength(from) === size && (from.coded !== undefined || from.header === undefined)
        : from.coded !== undefined;
    if (!isDeepStrictEqual(from, expected) || !fits || !isWhole)
      throw bad(
        output,
        `reads ${key} from ${from.key} as ${JSON.stringify(from)}, where the manifest has ${JSON.stringify(holder)}`,
      );
  }

  /** The folder that the plan's filters put a key into; undefined if they leave it out, or cannot match it. */
  function selected(key: string): string | undefined {
    try {
      return select(key);
    } catch {
      return undefined;
    }
  }

  return (output) => {
    const { pieces, index, mode } = output;
    if (index < first || index > most)
      throw bad(output, `has the index ${index}, not one of ${first} to ${most}`);
    const [piece] = pieces;
    if (piece === undefined) throw bad(output, 'holds no source');
    const { encoding } = naming;
    // Whether its sources are of this kind is seen when they are read.
    const kind = kindOfOutput(output.kind, encoding);
    const folder = checkPiece(output, piece);
    let previousKey = piece.source.key;
    let weight = lengthOf(piece);
    for (const one of pieces.slice(1)) {
      const { key } = one.source;
      if (checkPiece(output, one) !== folder)
        throw bad(output, `joins ${key} with ${previousKey}, which do not belong together`);
      if (compareKeys(previousKey, key) >= 0)
        throw bad(output, `holds ${key} behind ${previousKey}, which is not the order of keys`);
      // A planner closes an output that has reached the target size, which bounds the buffers that outputs are assembled in.
      if (mode === 'assemble' && Math.max(weight, lengthOf(one)) >= settings.targetSize)
        throw bad(output, `joins ${key} with what comes to ${settings.targetSize} bytes without it`);
      previousKey = key;
      weight += lengthOf(one);
    }
    const asIs =
      encoding === undefined && pieces.length === 1 && weight >= settings.targetSize ? 'copy' : 'assemble';
    const shape = shapeOutput(naming, { index, asIs, kind, folder, pieces });
    // With a codec it is an estimate from measured ratios, which cannot be checked.
    const expectedSize = encoding === undefined ? weight : output.expectedSize;
    for (const [name, expected] of Object.entries({
      ...shape,
      expectedSize,
      encoding: shape.encoding,
      headerLines: shape.headerLines,
    })) {
      const found: unknown = output[name as keyof PlannedOutput];
      if (!isDeepStrictEqual(found, expected))
        throw bad(
          output,
          `has as its ${name} ${JSON.stringify(found)}, and must have ${JSON.stringify(expected)}`,
        );
    }
  };
}

/** The outputs of the manifest whose sources the plan puts into new outputs, by key. */
function rebuiltOutputs(
  manifest: Manifest | undefined,
  { sealed }: PlanHeader,
): ReadonlyMap<string, CommittedOutput> {
  const outputs = manifest?.outputs ?? [];
  const kept = new Set(pickSealed(outputs, sealed));
  return new Map(outputs.filter((output) => !kept.has(output)).map((output) => [output.key, output]));
}
