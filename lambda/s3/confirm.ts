import { RollupError } from '../errors.ts';
import type { ObjectAt } from '../rollup/model/location.ts';
import type { ObjectHead, Store } from '../rollup/model/store.ts';
import { encodeCrc32, parseCrc32, unquoteEtag } from './conditions.ts';

/** An answer to a request that wrote an object. */
export interface Answer {
  ETag?: string | undefined;
  /** Base64, where the store tells it. */
  ChecksumCRC32?: string | undefined;
  $metadata: { attempts?: number };
}

/**
 * Believes an answer that a write succeeded if it carries the checksum that was sent, and was the first to its request.
 * Otherwise it looks: a store that was restarted may answer 200 to what is sent again, and the object is not there.
 * Amazon S3 answers every one of our writes with its checksum, so that nothing is looked at in an ordinary run.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
 *
 * @param sent size and CRC-32 of what was written; the CRC-32 is undefined where only the store knows it, of a copy
 * @returns the object's ETag, and its CRC-32 where the store tells one
 * @throws RollupError `ChecksumMismatch` where the store says that it has another; `OutputMissing` where the object is not
 *   there as it was sent
 */
export async function confirmed(
  store: Pick<Store, 'head'>,
  at: ObjectAt,
  answer: Answer,
  sent: { size: number; crc32: number | undefined },
): Promise<{ etag: string; crc32: number | undefined }> {
  const { key } = at;
  const crc32 = parseCrc32(answer.ChecksumCRC32);
  if (crc32 !== undefined && sent.crc32 !== undefined && crc32 !== sent.crc32) {
    const message = `${key} was stored with another CRC-32 than it was sent with.`;
    throw new RollupError('ChecksumMismatch', message, { key });
  }
  const etag = unquoteEtag(answer.ETag);
  if (crc32 !== undefined && (answer.$metadata.attempts ?? 1) === 1) return { etag, crc32 };
  const head = await store.head(at);
  const why = head === undefined ? 'it is not there' : difference(head, sent, etag);
  if (head === undefined || why !== undefined) {
    const message = `S3 answered that ${key} was written, and ${why}.`;
    throw new RollupError('OutputMissing', message, { key });
  }
  return { etag: head.etag, crc32: head.crc32 ?? crc32 };
}

/** How an object differs from what was sent. Where the store has no CRC-32 of it, its ETag must be the one answered. */
function difference(
  head: ObjectHead,
  sent: { size: number; crc32: number | undefined },
  etag: string,
): string | undefined {
  if (head.size !== sent.size) return `it has ${head.size} bytes instead of ${sent.size}`;
  if (head.crc32 !== undefined && sent.crc32 !== undefined) {
    const [has, was] = [head.crc32, sent.crc32].map(encodeCrc32);
    return has === was ? undefined : `it has CRC-32 ${has} instead of ${was}`;
  }
  return head.etag === etag ? undefined : `it has ETag ${head.etag} instead of ${etag}`;
}
