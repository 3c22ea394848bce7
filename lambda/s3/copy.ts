import {
  type CompletedPart,
  CopyObjectCommand,
  HeadObjectCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { RollupError, hasCode } from '../errors.ts';
import type { Checksum } from '../rollup/model/checksum/checksum.ts';
import { allOrFirstFailure } from '../concurrency.ts';
import type { ObjectAt } from '../rollup/model/location.ts';
import type { ReadFrom, Store, Written } from '../rollup/model/store.ts';
import { checksumOfObject } from '../rollup/model/checksum/stored-checksum.ts';
import { COPY_PART, LARGEST_COPY, PARTS_IN_FLIGHT } from '../settings/settings.ts';
import { type OutputAttributes, contentParams, outputParams, storageParams } from './attributes.ts';
import { copySource, formatRange, quoteEtag } from './conditions.ts';
import { type Answer, confirmed } from './confirm.ts';
import { toRollupError } from './errors.ts';
import { type OpenMultipart, inParts } from './multipart.ts';
import { type OnceCondition, holds } from './write-once.ts';

/** Milliseconds until the answer: S3 gives it when the copy is done, and copies a few hundred megabytes a second. */
const COPY_MS = 600_000;

/** Arguments of `copyObject`. */
export interface CopyInput {
  from: ReadFrom;
  /** Bytes to copy. */
  size: number;
  to: ObjectAt;
  attributes: OutputAttributes;
  /** The existing object that is to be replaced, by its ETag; otherwise there must be none. */
  replaces?: string | undefined;
}

/**
 * Copies an object or a range of it inside S3, pinned to its ETag. An existing object that has the source's bytes already is
 * kept, one that has other bytes is replaced.
 *
 * @throws RollupError `SourceChanged`, `SourceVanished`, `SourceArchived`; `Conflict`, `NoSuchUpload` and `OutputMissing` where
 *   the copy has to begin anew
 */
export async function copyObject(
  store: Store,
  client: S3Client,
  input: CopyInput,
  signal: AbortSignal,
): Promise<Written> {
  const { from, size, to } = input;
  const whole = from.range === undefined && size <= LARGEST_COPY;
  try {
    const answer = await (whole ? copyWhole : copyParts)(client, input, signal);
    const { etag, checksum: told } = await confirmed(store, to, answer, { size, checksum: undefined });
    // A store may tell another one than it was asked for.
    const head = { checksum: told };
    return { etag, checksum: await checksumOfObject(store, { ...to, etag }, head, 'crc32', signal) };
  } catch (error) {
    const failed = toRollupError(error, { operation: 'CopyObject', bucket: from.bucket, key: from.key });
    if (!hasCode(failed, 'PreconditionFailed', 'NoSuchUpload')) throw failed;
    // There is an object of another run, or our own whose answer was lost. It is kept: it may be committed under its ETag.
    const existing = await store.head(to);
    if (existing?.size === size) {
      const checksum = await checksumOfSource(store, from, size, signal);
      if (await holds(store, to, existing, { size, checksum }, signal))
        return { etag: existing.etag, checksum };
    }
    if (hasCode(failed, 'NoSuchUpload')) throw failed;
    // The key is a digest of these bytes: an object that has others is of no use to anybody.
    if (existing !== undefined && input.replaces !== existing.etag) {
      return copyObject(store, client, { ...input, replaces: existing.etag }, signal);
    }
    const message = `${from.key} changed while it was being rolled up. Run again: what is written is kept.`;
    throw new RollupError('SourceChanged', message, { key: from.key, cause: error });
  }
}

async function copyWhole(
  client: S3Client,
  { from, to, attributes, replaces }: CopyInput,
  signal: AbortSignal,
): Promise<Answer> {
  // Without them S3 copies the source's metadata. To replace one of its fields, all must be given.
  const content = contentParams(attributes);
  const replaced = Object.keys(content).length === 0 ? {} : await contentOf(client, from, signal);
  const command = new CopyObjectCommand({
    Bucket: to.bucket,
    Key: to.key,
    CopySource: copySource(from.bucket, from.key),
    CopySourceIfMatch: quoteEtag(from.etag),
    ...conditionOf(replaces),
    ...storageParams(attributes),
    ...replaced,
    ...content,
    ChecksumAlgorithm: 'CRC32',
    // Copying the source's tags takes permissions that nothing else needs.
    TaggingDirective: 'REPLACE',
  });
  const { CopyObjectResult, $metadata } = await client.send(command, {
    abortSignal: signal,
    requestTimeout: COPY_MS,
  });
  return { ...CopyObjectResult, $metadata };
}

/** The source's metadata as parameters of a copy that replaces it: what S3 would otherwise copy by itself. */
async function contentOf(client: S3Client, { bucket, key, etag }: ReadFrom, abortSignal: AbortSignal) {
  const command = new HeadObjectCommand({ Bucket: bucket, Key: key, IfMatch: quoteEtag(etag) });
  const { ContentType, ContentEncoding, Metadata } = await client.send(command, { abortSignal });
  return { MetadataDirective: 'REPLACE' as const, ContentType, ContentEncoding, Metadata };
}

async function copyParts(
  client: S3Client,
  { from, size, to, attributes, replaces }: CopyInput,
  signal: AbortSignal,
): Promise<Answer> {
  const limit = pLimit(PARTS_IN_FLIGHT);
  const stop = new AbortController();
  const abortSignal = AbortSignal.any([signal, stop.signal]);
  const base = from.range?.offset ?? 0;

  async function copyPart(upload: OpenMultipart['upload'], index: number): Promise<CompletedPart> {
    abortSignal.throwIfAborted();
    const offset = index * COPY_PART;
    const command = new UploadPartCopyCommand({
      ...upload,
      PartNumber: index + 1,
      CopySource: copySource(from.bucket, from.key),
      CopySourceIfMatch: quoteEtag(from.etag),
      CopySourceRange: formatRange({ offset: base + offset, length: Math.min(COPY_PART, size - offset) }),
    });
    const { CopyPartResult } = await client.send(command, { abortSignal, requestTimeout: COPY_MS });
    return {
      PartNumber: index + 1,
      ETag: CopyPartResult?.ETag,
      ChecksumCRC32: CopyPartResult?.ChecksumCRC32,
    };
  }

  const options = { signal, completeMs: COPY_MS };
  const begin = { Bucket: to.bucket, Key: to.key, ...outputParams(attributes) };
  return inParts(client, begin, options, async ({ upload, complete }) => {
    const parts = Array.from({ length: Math.ceil(size / COPY_PART) }, (_, index) =>
      limit(() => copyPart(upload, index)),
    );
    return complete(await allOrFirstFailure(parts, stop), conditionOf(replaces));
  });
}

function conditionOf(replaces: string | undefined): OnceCondition {
  return replaces === undefined ? { IfNoneMatch: '*' } : { IfMatch: quoteEtag(replaces) };
}

/** The CRC-32 of the bytes that are copied: S3 holds none of a range. Throws as `copyObject` does. */
async function checksumOfSource(
  store: Store,
  from: ReadFrom,
  size: number,
  signal: AbortSignal,
): Promise<Checksum> {
  const head = from.range === undefined ? await store.head(from) : undefined;
  const isUnchanged = head?.etag === from.etag && head.size === size;
  return checksumOfObject(store, from, isUnchanged ? head : undefined, 'crc32', signal);
}
