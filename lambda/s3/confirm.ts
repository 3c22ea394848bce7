import { RollupError } from '../errors.ts';
import { type Checksum, formatChecksum, isSame } from '../rollup/model/checksum/checksum.ts';
import type { ObjectAt } from '../rollup/model/location.ts';
import type { ObjectHead, Store } from '../rollup/model/store.ts';
import { type StatedChecksums, parseChecksum } from './checksums.ts';
import { unquoteEtag } from './conditions.ts';

/** An answer to a request that wrote an object. */
export interface Answer extends StatedChecksums {
  ETag?: string | undefined;
  $metadata: { attempts?: number };
}

/**
 * Believes an answer that a write succeeded if it carries the checksum that was sent, and was the first to its request.
 * Otherwise it looks: a store that was restarted may answer 200 to what is sent again, and the object is not there.
 * Amazon S3 answers every one of our writes with its checksum, so that nothing is looked at in an ordinary run.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
 *
 * @param sent size and checksum of what was written; the checksum is undefined where only the store knows it, of a copy
 * @returns the object's ETag, and its checksum where the store tells one
 * @throws RollupError `ChecksumMismatch` where the store says that it has another; `OutputMissing` where the object is not
 *   there as it was sent
 */
export async function confirmed(
  store: Pick<Store, 'head'>,
  at: ObjectAt,
  answer: Answer,
  sent: Sent,
): Promise<{ etag: string; checksum: Checksum | undefined }> {
  const { key } = at;
  const checksum = comparable(parseChecksum(answer), sent);
  if (checksum !== undefined && sent.checksum !== undefined && !isSame(checksum, sent.checksum)) {
    const message = `${key} was stored with another checksum than it was sent with.`;
    throw new RollupError('ChecksumMismatch', message, { key });
  }
  const etag = unquoteEtag(answer.ETag);
  if (checksum !== undefined && (answer.$metadata.attempts ?? 1) === 1) return { etag, checksum };
  const head = await store.head(at);
  const why = head === undefined ? 'it is not there' : difference(head, sent, etag);
  if (head === undefined || why !== undefined) {
    const message = `S3 answered that ${key} was written, and ${why}.`;
    throw new RollupError('OutputMissing', message, { key });
  }
  return { etag: head.etag, checksum: head.checksum ?? checksum };
}

/** What was written. */
interface Sent {
  size: number;
  checksum: Checksum | undefined;
}

/** A checksum that the store tells, if it is of the algorithm that was sent. */
function comparable(told: Checksum | undefined, sent: Sent): Checksum | undefined {
  return sent.checksum === undefined || told?.algorithm === sent.checksum.algorithm ? told : undefined;
}

/** How an object differs from what was sent. Where the store has no such checksum of it, its ETag must be the one answered. */
function difference(head: ObjectHead, sent: Sent, etag: string): string | undefined {
  if (head.size !== sent.size) return `it has ${head.size} bytes instead of ${sent.size}`;
  const found = comparable(head.checksum, sent);
  if (found !== undefined && sent.checksum !== undefined) {
    if (isSame(found, sent.checksum)) return undefined;
    return `it has ${formatChecksum(found)} instead of ${sent.checksum.digits}`;
  }
  return head.etag === etag ? undefined : `it has ETag ${head.etag} instead of ${etag}`;
}
