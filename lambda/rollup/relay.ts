import { RollupError } from '../errors.ts';
import { PARTS_IN_FLIGHT, type Settings } from '../settings.ts';
import { MiB, formatSize } from '../size.ts';
import type { ObjectAt } from './location.ts';
import type { ReadFrom, Store, Written } from './store.ts';

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const MOST_PARTS = 10_000;

/** What a relay holds, whatever is the size of what it passes on. */
export function relayMemory({ partSize }: Pick<Settings, 'partSize'>): number {
  return PARTS_IN_FLIGHT * partSize;
}

/** S3 takes no more than 10,000 parts, so that very large sources need larger ones. */
export function relayPartSize(size: number, { partSize }: Pick<Settings, 'partSize'>): number {
  return Math.max(partSize, Math.ceil(size / MOST_PARTS / MiB) * MiB);
}

/**
 * Brings a large source to the other side: what S3 cannot be asked to copy passes through the function, as it is,
 * pinned to its ETag. Throws as `Store.stream` and `Store.uploadStream` do.
 */
export async function relay(
  origin: { store: Store; from: ReadFrom },
  size: number,
  to: { store: Store; at: ObjectAt },
  settings: Pick<Settings, 'partSize'>,
  slab: Buffer,
  signal: AbortSignal,
): Promise<Written> {
  const { from } = origin;
  const memory = slab.subarray(0, relayMemory(settings));
  const partSize = relayPartSize(size, settings);
  if (partSize > memory.length) throw tooLarge(from.key, size, memory.length * MOST_PARTS);
  const bytes = exactly(size, from.key, origin.store.stream(from, signal));
  return to.store.uploadStream(to.at, bytes, { partSize, metadata: {}, memory }, signal);
}

/** What was listed is what is committed. */
async function* exactly(size: number, key: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let got = 0;
  for await (const chunk of chunks) {
    got += chunk.length;
    yield chunk;
  }
  if (got === size) return;
  throw new RollupError('ShortBody', `${key} has ${got} bytes where its listing said ${size}.`, { key });
}

function tooLarge(key: string, size: number, most: number): RollupError {
  const message = `${key} (${formatSize(size)}) has to pass through this program, because source and destination differ in credentials or endpoint, and with this part size no more than ${formatSize(most)} can. Raise the part size.`;
  return new RollupError('InvalidArgument', message, { key });
}
