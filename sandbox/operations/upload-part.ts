import { etagOf } from '../storage/attributes.ts';
import { header, parseCount, xmlReply, type Call, type Reply } from '../http/call.ts';
import { checksumHeader, type ChecksumAlgorithm } from '../checksums.ts';
import { slice } from '../storage/content.ts';
import { LARGEST_PUT } from '../http/receive-body.ts';
import { S3Error } from '../http/s3-error.ts';
import type { OpenUpload, Part } from '../storage/object-table.ts';
import { copyResult, copySource, md5 } from './copy-object.ts';
import { spoolBody } from './put-object.ts';
import { uploadOf } from './uploads.ts';

/** Most parts of an upload: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MOST_PARTS = 10_000;
const LEAST_RANGED_SOURCE = 5 * 1024 * 1024;

export async function uploadPart(call: Call): Promise<Reply> {
  const { table, bucket } = call;
  const partNumber = parsePartNumber(call);
  const { uploadId, checksum, attributes } = uploadOf(call);
  const { received, content } = await spoolBody(call);
  const given = received.checksum;
  try {
    checkAlgorithm(checksum, given?.algorithm);
    // The upload may have ended while the body was read.
    uploadOf(call);
  } catch (error) {
    table.content.discard(content);
    throw error;
  }
  const { size, md5 } = received;
  const etag = etagOf(attributes, md5);
  const part: Part = { partNumber, size, etag, lastModified: call.now(), content };
  if (given) part.checksum = given;
  table.commit({ type: 'part-put', bucket, uploadId, part });
  return {
    status: 200,
    headers: { etag: `"${etag}"`, ...(given && { [checksumHeader(given.algorithm)]: given.value }) },
  };
}

function parsePartNumber(call: Call): number {
  const partNumber = parseCount(call, 'partNumber', 0, Infinity);
  if (partNumber >= 1 && partNumber <= MOST_PARTS) return partNumber;
  throw new S3Error(
    'InvalidArgument',
    `Part number must be an integer between 1 and ${MOST_PARTS}, inclusive`,
    {
      ArgumentName: 'partNumber',
      ArgumentValue: String(partNumber),
    },
  );
}

/**
 * Throws if a part has a checksum of another algorithm than its upload. An upload without an algorithm takes any. A part
 * may have none if S3 can compute it (FULL_OBJECT).
 */
function checkAlgorithm(expected: OpenUpload['checksum'], actual: ChecksumAlgorithm | undefined): void {
  if (!expected || actual === expected.algorithm) return;
  if (actual === undefined && expected.type === 'FULL_OBJECT') return;
  throw new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${expected.algorithm.toLowerCase()}, actual checksum Type: ${actual?.toLowerCase() ?? 'null'}`,
  );
}

export function uploadPartCopy(call: Call): Reply {
  const { table, bucket } = call;
  const partNumber = parsePartNumber(call);
  const { uploadId, checksum, attributes } = uploadOf(call);
  const { object } = copySource(call);
  const { start, end } = sourceRange(header(call, 'x-amz-copy-source-range'), object.size);
  if (end - start > LARGEST_PUT) {
    throw new S3Error(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size: ${LARGEST_PUT}`,
    );
  }
  const content = slice(object.content, start, end);
  const part: Part = {
    partNumber,
    size: end - start,
    etag: etagOf(attributes, md5(table, content)),
    lastModified: call.now(),
    content,
  };
  if (checksum)
    part.checksum = { algorithm: checksum.algorithm, value: table.digest(checksum.algorithm, content) };
  table.commit({ type: 'part-put', bucket, uploadId, part });
  return xmlReply(copyResult('CopyPartResult', part, part.checksum));
}

function sourceRange(text: string | undefined, size: number): { start: number; end: number } {
  if (text === undefined) return { start: 0, end: size };
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(text) ?? [];
  if (first === undefined || Number(last) < Number(first)) {
    throw new S3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
    );
  }
  if (size <= LEAST_RANGED_SOURCE) {
    throw new S3Error('InvalidRequest', 'The specified copy range is invalid for the source object size.');
  }
  if (Number(last) >= size) {
    throw new S3Error('InvalidArgument', `Range specified is not valid for source object of size: ${size}`);
  }
  return { start: Number(first), end: Number(last) + 1 };
}
