import { GetObjectCommand, type GetObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { RollupError, hasCode } from '../errors.ts';
import type { ReadFrom } from '../rollup/store.ts';
import { formatRange, quoteEtag, unquoteEtag } from './conditions.ts';
import { toRollupError } from './errors.ts';
import { BODY_IDLE_MS, land, stalled } from './land.ts';
import type { RequestCounter } from './requests.ts';

/** Downloads of one object, the first included, where the body fails; the SDK repeats what fails before that. */
const BODY_ATTEMPTS = 4;
const FIRST_DELAY_MS = 200;

/** Gives the buffer for a body of so many bytes. */
export type BufferFor = (length: number) => Buffer;

/** The given buffer, for a body of just its length. Throws `ShortBody` for another. */
export function sameLength(key: string, into: Buffer): BufferFor {
  return (length) => {
    if (length === into.length) return into;
    throw new RollupError(
      'SourceChanged',
      `${key} has ${length} bytes where its listing said ${into.length}.`,
      { key },
    );
  };
}

/**
 * Downloads an object, or a range of it, into memory. With an ETag, just that version of it.
 * Throws `SourceChanged`, `SourceVanished`, `ShortBody`, `BodyStalled`.
 */
export async function readObject(
  client: S3Client,
  counter: RequestCounter,
  from: Omit<ReadFrom, 'etag'> & { etag?: string },
  bufferFor: BufferFor,
  signal: AbortSignal,
): Promise<{ body: Buffer; etag: string; crc32: number }> {
  const { bucket, key } = from;
  for (let attempt = 1; ; attempt++) {
    try {
      const found = await client.send(new GetObjectCommand(inputOf(from)), { abortSignal: signal });
      const stream = found.Body as Readable;
      try {
        const body = bufferFor(found.ContentLength ?? 0);
        return { body, etag: unquoteEtag(found.ETag), crc32: await land(stream, body, key, signal) };
      } finally {
        // An unread body would keep its connection.
        stream.destroy();
      }
    } catch (error) {
      const failed = toRollupError(error, { operation: 'GetObject', bucket, key });
      if (hasCode(failed, 'PreconditionFailed')) throw changed(key, error);
      if (attempt === BODY_ATTEMPTS || signal.aborted || !hasCode(failed, 'ShortBody', 'BodyStalled'))
        throw failed;
      counter.countRetry();
      await delay(Math.random() * FIRST_DELAY_MS * 2 ** attempt, undefined, { signal });
    }
  }
}

/** An object's bytes as they come, for a reader that is slower or holds less. Throws as `readObject` does. */
export async function* streamObject(client: S3Client, from: ReadFrom): AsyncGenerator<Buffer> {
  const { bucket, key } = from;
  let body: Readable | undefined;
  try {
    const found = await client.send(new GetObjectCommand(inputOf(from)));
    body = found.Body as Readable;
    let left = found.ContentLength ?? 0;
    const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    for (;;) {
      // Only while this side waits: a slow reader is no stalled body.
      const idle = setTimeout(() => body?.destroy(stalled(key, BODY_IDLE_MS)), BODY_IDLE_MS);
      const next = await chunks.next().finally(() => {
        clearTimeout(idle);
      });
      if (next.done === true) break;
      left -= next.value.length;
      yield next.value;
    }
    if (left !== 0) throw new RollupError('ShortBody', `${key} ended ${left} bytes early.`, { key });
  } catch (error) {
    const failed = toRollupError(error, { operation: 'GetObject', bucket, key });
    throw hasCode(failed, 'PreconditionFailed') ? changed(key, error) : failed;
  } finally {
    body?.destroy();
  }
}

function inputOf({
  bucket,
  key,
  etag,
  range,
}: Omit<ReadFrom, 'etag'> & { etag?: string }): GetObjectCommandInput {
  return {
    Bucket: bucket,
    Key: key,
    ...(etag === undefined ? {} : { IfMatch: quoteEtag(etag) }),
    ...(range === undefined ? {} : { Range: formatRange(range) }),
  };
}

function changed(key: string, cause: unknown): RollupError {
  const message = `${key} changed while it was being rolled up. Run again: what is written is kept.`;
  return new RollupError('SourceChanged', message, { key, cause });
}
