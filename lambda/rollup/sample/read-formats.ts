import pLimit from 'p-limit';
import { allOrFirstFailure } from '../../concurrency.ts';
import { hasCode } from '../../errors.ts';
import type { Settings } from '../../settings/table.ts';
import { FIRST_BYTES, type Format, tellFormat } from '../model/format.ts';
import { originsOf } from '../model/endpoints.ts';
import { type Piece, lengthOf } from '../model/output.ts';
import type { Locations } from '../write/ranges.ts';
import { isArchived } from '../plan/reconcile.ts';
import type { SourceFormats } from './source-formats.ts';

interface SampleContext extends Locations {
  settings: Pick<Settings, 'concurrency'>;
  signal: AbortSignal;
}

/** Tells the formats of sources that are planned next, by reading the first bytes of as many of them as it takes. */
export async function sampleFormats(
  formats: SourceFormats,
  pieces: Piece[],
  context: SampleContext,
): Promise<void> {
  let wanted = formats.begin(pieces);
  while (wanted.length > 0) wanted = formats.take(pieces, await readFormats(wanted, context));
}

async function readFormats(
  pieces: Piece[],
  context: SampleContext,
): Promise<{ piece: Piece; format: Format }[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, context.signal]);
  const limit = pLimit(context.settings.concurrency);
  const reading = pieces.map((piece) => limit(() => readFormat(piece, context, signal)));
  const read = await allOrFirstFailure(reading, stop);
  return read.filter((sample) => sample !== undefined);
}

/** Failures that say nothing of a format. Who may only list may plan. */
const UNREADABLE = [
  'AccessDenied',
  'SourceVanished',
  'SourceChanged',
  'SourceArchived',
  'ShortBody',
] as const;

/** The format of a source; undefined for one that cannot be read: the run ends once it has to be, not here. */
async function readFormat(
  piece: Piece,
  context: SampleContext,
  signal: AbortSignal,
): Promise<{ piece: Piece; format: Format } | undefined> {
  // A source whose header was left out begins with that: its first bytes lie at the beginning of the output.
  const [origin] = originsOf(piece, context);
  if (origin === undefined || (piece.from === undefined && isArchived(piece.source))) return undefined;
  const { store, from } = origin;
  const bytes = Buffer.allocUnsafe(Math.min(FIRST_BYTES, from.range?.length ?? lengthOf(piece)));
  const range = { offset: from.range?.offset ?? 0, length: bytes.length };
  try {
    signal.throwIfAborted();
    const { contentEncoding } = await store.read({ ...from, range }, bytes, signal);
    const { key } = piece.source;
    const isRaw = piece.from === undefined;
    return {
      piece,
      format: tellFormat({ key, bytes, contentEncoding: isRaw ? contentEncoding : undefined }),
    };
  } catch (error) {
    if (hasCode(error, ...UNREADABLE)) return undefined;
    throw error;
  }
}
