import { decode } from '../codec/decode.ts';
import type { Settings } from '../../settings/table.ts';
import { hasCode } from '../../errors.ts';
import { MiB } from '../../size.ts';
import { type Endpoints, sourceStore } from '../model/endpoints.ts';
import { formOfKind } from '../model/encoding.ts';
import { NEWLINE } from '../model/newline.ts';
import type { PlannedOutput } from '../model/output.ts';
import type { RollupRequest } from '../model/run.ts';

/** Sources that are looked at. */
const SAMPLES = 3;
/** Larger sources are not read for a hint. */
const LARGEST = 4 * MiB;

/**
 * Looks into a few compressed sources that are to be joined as they are: a text that lacks its last newline runs together
 * with the next one.
 *
 * @returns the key of the first such source; undefined if none of those that were read is one
 * @throws RollupError as `Store.stream` does
 */
export async function findUnendedText(
  planned: PlannedOutput[],
  { source }: RollupRequest,
  context: Endpoints & { settings: Pick<Settings, 'newline'>; signal: AbortSignal },
): Promise<string | undefined> {
  if (context.settings.newline === 'none') return undefined;
  const joined = planned.filter(({ mode, kind }) => mode === 'assemble' && kind !== 'plain');
  const small = joined.flatMap(({ pieces, kind }) => {
    const form = formOfKind(kind);
    if (form === undefined) return [];
    return pieces.filter((piece) => piece.source.size <= LARGEST).map((piece) => ({ piece, form }));
  });
  const step = Math.max(1, Math.floor(small.length / SAMPLES));
  for (const { piece, form } of small.filter((_, i) => i % step === 0).slice(0, SAMPLES)) {
    if (piece.from !== undefined) continue;
    const { key, etag } = piece.source;
    const stored = sourceStore(context).stream({ bucket: source.bucket, key, etag }, context.signal);
    const last = await lastByte(decode(form, stored, key));
    if (last !== undefined && last !== NEWLINE) return piece.source.key;
  }
  return undefined;
}

/** The last byte of a text; undefined for one that is empty or damaged. */
async function lastByte(text: AsyncIterable<Buffer>): Promise<number | undefined> {
  let last: number | undefined;
  try {
    for await (const chunk of text) last = chunk.at(-1) ?? last;
  } catch (error) {
    if (hasCode(error, 'SourceCorrupt', 'SourceVanished', 'SourceChanged')) return undefined;
    throw error;
  }
  return last;
}
