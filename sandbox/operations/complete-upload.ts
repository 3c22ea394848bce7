import { createHash } from 'node:crypto';
import { z } from 'zod';
import { header, receiveDocument, xmlReply, type Call, type Reply } from '../http/call.ts';
import { ALGORITHMS, checksumHeader, combineParts, type Checksum } from '../checksums.ts';
import { checkWrite } from '../conditions.ts';
import { S3Error } from '../http/s3-error.ts';
import type { OpenUpload, Part, ObjectTable, StoredObject } from '../storage/object-table.ts';
import { leaf, result } from '../http/xml.ts';
import { uploadOf } from './uploads.ts';

const LEAST_PART = 5 * 1024 * 1024;

const NamedPart = z.object({
  PartNumber: z.string().regex(/^\d+$/).transform(Number),
  ETag: z.string().transform((etag) => etag.replace(/^"|"$/g, '')),
  ChecksumCRC32: z.string().optional(),
  ChecksumCRC32C: z.string().optional(),
  ChecksumCRC64NVME: z.string().optional(),
  ChecksumSHA1: z.string().optional(),
  ChecksumSHA256: z.string().optional(),
});
type NamedPart = z.output<typeof NamedPart>;

const Completion = z.object({ CompleteMultipartUpload: z.object({ Part: z.array(NamedPart).min(1) }) });

/**
 * CompleteMultipartUpload. The object shares the bytes of its parts, and appears in the same change that ends the
 * upload.
 */
export async function completeUpload(call: Call): Promise<Reply> {
  const { table, bucket, key, headers } = call;
  uploadOf(call);
  const named = (await receiveDocument(call, Completion)).CompleteMultipartUpload.Part;

  // No await from here on.
  const upload = uploadOf(call);
  const parts = chosenParts(upload, named);
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  const checksum = wholeChecksum(table, upload, parts);
  checkClaims(call, checksum ?? unnamedChecksum(call, parts), size);
  checkWrite(headers, key, table.bucket(bucket).objects.get(key));
  const object: StoredObject = {
    key,
    size,
    etag: multipartEtag(parts),
    // S3 dates a multipart object by the start of its upload.
    lastModified: upload.initiated,
    content: parts.flatMap(({ content }) => content),
    attributes: upload.attributes,
    parts: parts.map((part) => part.size),
    ...(checksum && { checksum }),
  };
  table.commit({ type: 'object-put', bucket, object, completes: upload.uploadId });
  return xmlReply(
    result(
      'CompleteMultipartUploadResult',
      leaf('Location', `/${bucket}/${encodeURIComponent(key)}`),
      leaf('Bucket', bucket),
      leaf('Key', key),
      leaf('ETag', `"${object.etag}"`),
      ...(checksum
        ? [leaf(`Checksum${checksum.algorithm}`, checksum.value), leaf('ChecksumType', checksum.type)]
        : []),
    ),
  );
}

function chosenParts(upload: OpenUpload, named: NamedPart[]): Part[] {
  if (named.some(({ PartNumber }, i) => i > 0 && PartNumber <= (named[i - 1]?.PartNumber ?? 0))) {
    throw new S3Error(
      'InvalidPartOrder',
      'The list of parts was not in ascending order. The parts list must be specified in order by part number.',
    );
  }
  return named.map((claim, i) => {
    const part = upload.parts.get(claim.PartNumber);
    if (part?.etag !== claim.ETag) throw invalidPart(claim);
    checkPartChecksum(upload, part, claim);
    if (i < named.length - 1 && part.size < LEAST_PART) {
      throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
        PartNumber: String(part.partNumber),
        ProposedSize: String(part.size),
        MinSizeAllowed: String(LEAST_PART),
      });
    }
    return part;
  });
}

function checkPartChecksum({ checksum }: OpenUpload, part: Part, claim: NamedPart): void {
  for (const algorithm of ALGORITHMS) {
    const value = claim[`Checksum${algorithm}`];
    if (value === undefined) continue;
    if (algorithm !== part.checksum?.algorithm || value !== part.checksum.value) throw invalidPart(claim);
  }
  if (checksum?.type === 'COMPOSITE' && claim[`Checksum${checksum.algorithm}`] === undefined) {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using a ${checksum.algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${part.partNumber} in the request.`,
    );
  }
}

function invalidPart({ PartNumber, ETag }: NamedPart): S3Error {
  return new S3Error(
    'InvalidPart',
    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    { PartNumber: String(PartNumber), ETag },
  );
}

function wholeChecksum(table: ObjectTable, { checksum }: OpenUpload, parts: Part[]): Checksum | undefined {
  if (!checksum) return undefined;
  const { algorithm, type } = checksum;
  const values = parts.map(({ size, content, checksum: value }) => ({
    size,
    value: value?.value ?? table.digest(algorithm, content),
  }));
  return combineParts(algorithm, type, values);
}

/** The CRC-64/NVME of an upload without an algorithm, which is computed only if the request claims one. */
function unnamedChecksum({ table, headers }: Call, parts: Part[]): Checksum | undefined {
  if (headers[checksumHeader('CRC64NVME')] === undefined) return undefined;
  const content = parts.flatMap((part) => part.content);
  return { algorithm: 'CRC64NVME', type: 'FULL_OBJECT', value: table.digest('CRC64NVME', content) };
}

/** Throws if the request claims another size or checksum of the whole object. */
function checkClaims(call: Call, checksum: Checksum | undefined, size: number): void {
  const type = header(call, 'x-amz-checksum-type');
  if (type !== undefined && checksum !== undefined && type !== checksum.type) {
    throw new S3Error('BadDigest', `The checksum type ${type} is not ${checksum.type}, that of the upload.`);
  }
  for (const algorithm of ALGORITHMS) {
    const value = header(call, checksumHeader(algorithm));
    if (value === undefined || checksum?.type === 'COMPOSITE') continue;
    if (algorithm !== checksum?.algorithm) {
      const expected = checksum?.algorithm.toLowerCase() ?? 'null';
      throw new S3Error(
        'InvalidRequest',
        `Checksum Type mismatch occurred, expected checksum Type: ${expected}, actual checksum Type: ${algorithm.toLowerCase()}`,
      );
    }
    if (value !== checksum.value) {
      throw new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
    }
  }
  const claimed = header(call, 'x-amz-mp-object-size');
  if (claimed !== undefined && Number(claimed) !== size) {
    throw new S3Error(
      'InvalidRequest',
      `The provided x-amz-mp-object-size does not match the total size of ${size}`,
    );
  }
}

function multipartEtag(parts: Part[]): string {
  const hash = createHash('md5');
  for (const { etag } of parts) hash.update(etag, 'hex');
  return `${hash.digest('hex')}-${parts.length}`;
}
