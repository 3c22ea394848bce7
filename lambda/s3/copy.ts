import {
  type CompletedPart,
  CopyObjectCommand,
  HeadObjectCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { RollupError, hasCode } from '../errors.ts';
import { allOrFirstFailure } from '../concurrency.ts';
import type { ObjectAt } from '../rollup/model/location.ts';
import type { ReadFrom, Store, Written } from '../rollup/model/store.ts';
import { PARTS_IN_FLIGHT } from '../settings/settings.ts';
import { GiB } from '../size.ts';
import { type OutputAttributes, contentParams, outputParams, storageParams } from './attributes.ts';
import { copySource, formatRange, parseCrc32, quoteEtag, unquoteEtag } from './conditions.ts';
import { toRollupError } from './errors.ts';
import { type OpenMultipart, inParts } from './multipart.ts';
import { crc32OfBytes, holds } from './write-once.ts';

// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: 5 GB at most in one request.
const LARGEST_COPY = 5_000_000_000;
const COPY_PART = GiB;
/** S3 answers a copy when it is done; what it copies in a second is a few hundred megabytes. */
const COPY_MS = 600_000;

export interface CopyInput {
  from: ReadFrom;
  size: number;
  to: ObjectAt;
  attributes: OutputAttributes;
  /** Whatever lies there. */
  overwrite?: boolean;
}

/**
 * Copies inside S3, pinned to the ETag, as it is. What is there with the source's bytes already is left as it is. Throws `SourceChanged`,
 * `SourceVanished`, `SourceArchived`.
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
    const { etag, checksum } = await (whole ? copyWhole : copyParts)(client, input, signal);
    return { etag, crc32: parseCrc32(checksum) ?? (await crc32Of(store, { ...to, etag })) };
  } catch (error) {
    const failed = toRollupError(error, { operation: 'CopyObject', bucket: from.bucket, key: from.key });
    if (!hasCode(failed, 'PreconditionFailed', 'NoSuchUpload')) throw failed;
    // Another run's, or our own, of which the answer was lost. It stays as it is: it may be committed under its ETag.
    const standing = await store.head(to);
    if (standing?.size === size) {
      const crc32 = await crc32OfSource(store, from, size, signal);
      if (await holds(store, to, standing, { size, crc32 }, signal)) return { etag: standing.etag, crc32 };
    }
    if (hasCode(failed, 'NoSuchUpload')) throw failed;
    // What has the key of these bytes and is something else is of no use to anybody.
    if (standing !== undefined && input.overwrite !== true) {
      return copyObject(store, client, { ...input, overwrite: true }, signal);
    }
    const message = `${from.key} changed while it was being rolled up. Run again: what is written is kept.`;
    throw new RollupError('SourceChanged', message, { key: from.key, cause: error });
  }
}

interface Copied {
  etag: string;
  checksum: string | undefined;
}

async function copyWhole(
  client: S3Client,
  { from, to, attributes, overwrite }: CopyInput,
  signal: AbortSignal,
): Promise<Copied> {
  const content = contentParams(attributes);
  const replaced = Object.keys(content).length === 0 ? {} : await contentOf(client, from, signal);
  const command = new CopyObjectCommand({
    Bucket: to.bucket,
    Key: to.key,
    CopySource: copySource(from.bucket, from.key),
    CopySourceIfMatch: quoteEtag(from.etag),
    ...absentUnless(overwrite),
    ...storageParams(attributes),
    ...replaced,
    ...content,
    ChecksumAlgorithm: 'CRC32',
    // To copy tags takes permissions that nothing else here needs.
    TaggingDirective: 'REPLACE',
  });
  const { CopyObjectResult } = await client.send(command, { abortSignal: signal, requestTimeout: COPY_MS });
  return { etag: unquoteEtag(CopyObjectResult?.ETag), checksum: CopyObjectResult?.ChecksumCRC32 };
}

/** What S3 would copy along with the bytes, if nothing of it were replaced. */
async function contentOf(client: S3Client, { bucket, key, etag }: ReadFrom, abortSignal: AbortSignal) {
  const command = new HeadObjectCommand({ Bucket: bucket, Key: key, IfMatch: quoteEtag(etag) });
  const { ContentType, ContentEncoding, Metadata } = await client.send(command, { abortSignal });
  return { MetadataDirective: 'REPLACE' as const, ContentType, ContentEncoding, Metadata };
}

async function copyParts(
  client: S3Client,
  { from, size, to, attributes, overwrite }: CopyInput,
  signal: AbortSignal,
): Promise<Copied> {
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
    const done = await complete(await allOrFirstFailure(parts, stop), absentUnless(overwrite));
    return { etag: unquoteEtag(done.ETag), checksum: done.ChecksumCRC32 };
  });
}

function absentUnless(overwrite: boolean | undefined): { IfNoneMatch?: string } {
  return overwrite === true ? {} : { IfNoneMatch: '*' };
}

/** From the stored object's headers; from its bytes where the store keeps no CRC-32. */
async function crc32Of(store: Store, object: ReadFrom): Promise<number> {
  const head = await store.head(object);
  if (head?.crc32 !== undefined) return head.crc32;
  return crc32OfBytes(store, object);
}

/** As S3 has it, or from its bytes: S3 tells none of a range. Throws as `copyObject` does. */
async function crc32OfSource(
  store: Store,
  from: ReadFrom,
  size: number,
  signal: AbortSignal,
): Promise<number> {
  const head = from.range === undefined ? await store.head(from) : undefined;
  if (head?.crc32 !== undefined && head.etag === from.etag && head.size === size) return head.crc32;
  return crc32OfBytes(store, from, signal);
}
