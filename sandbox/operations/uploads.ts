import { randomUUID } from 'node:crypto';
import { parseAttributes } from '../storage/attributes.ts';
import { header, parseCount, xmlReply, type Call, type Reply } from '../http/call.ts';
import { checksumType, parseAlgorithm } from '../checksums.ts';
import { checkKey } from '../http/route.ts';
import { S3Error } from '../http/s3-error.ts';
import { compareUtf8 } from '../storage/sorted-keys.ts';
import type { Upload } from '../storage/object-table.ts';
import { branch, leaf, result } from '../http/xml.ts';
import { formatTime, keyEncoding } from './list-objects.ts';

export function createUpload(call: Call): Reply {
  const { table, bucket, key } = call;
  table.bucket(bucket);
  checkKey(key);
  const checksum = askedChecksum(call);
  const upload: Upload = {
    uploadId: randomUUID().replaceAll('-', ''),
    key,
    initiated: call.now(),
    attributes: parseAttributes(call.headers),
    ...(checksum && { checksum }),
  };
  table.commit({ type: 'upload-began', bucket, upload });
  return xmlReply(
    result(
      'InitiateMultipartUploadResult',
      leaf('Bucket', bucket),
      leaf('Key', key),
      leaf('UploadId', upload.uploadId),
    ),
    checksum && { 'x-amz-checksum-algorithm': checksum.algorithm, 'x-amz-checksum-type': checksum.type },
  );
}

function askedChecksum(call: Call): Upload['checksum'] {
  const name = header(call, 'x-amz-checksum-algorithm');
  const type = header(call, 'x-amz-checksum-type');
  if (name !== undefined) {
    const algorithm = parseAlgorithm(name);
    return { algorithm, type: checksumType(algorithm, type) };
  }
  if (type === undefined) return undefined;
  throw new S3Error(
    'InvalidRequest',
    'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
  );
}

export function uploadOf(call: Call) {
  return call.table.upload(call.bucket, call.key, call.query.get('uploadId') ?? '');
}

export function abortUpload(call: Call): Reply {
  const { uploadId } = uploadOf(call);
  call.table.commit({ type: 'upload-aborted', bucket: call.bucket, uploadId });
  return { status: 204 };
}

export function listParts(call: Call): Reply {
  const upload = uploadOf(call);
  const limit = parseCount(call, 'max-parts', 1000, 1000);
  const marker = parseCount(call, 'part-number-marker', 0, 10_000);
  const rest = [...upload.parts.values()]
    .filter(({ partNumber }) => partNumber > marker)
    .sort((a, b) => a.partNumber - b.partNumber);
  const page = rest.slice(0, limit);
  const { checksum } = upload;
  return xmlReply(
    result(
      'ListPartsResult',
      leaf('Bucket', call.bucket),
      leaf('Key', keyEncoding(call)(upload.key)),
      leaf('UploadId', upload.uploadId),
      leaf('PartNumberMarker', marker),
      leaf('NextPartNumberMarker', page.at(-1)?.partNumber ?? marker),
      leaf('MaxParts', limit),
      leaf('IsTruncated', page.length > 0 && page.length < rest.length),
      leaf('StorageClass', upload.attributes.storageClass),
      ...(checksum
        ? [leaf('ChecksumAlgorithm', checksum.algorithm), leaf('ChecksumType', checksum.type)]
        : []),
      ...page.map((part) =>
        branch(
          'Part',
          leaf('PartNumber', part.partNumber),
          leaf('LastModified', formatTime(part.lastModified)),
          leaf('ETag', `"${part.etag}"`),
          leaf('Size', part.size),
          checksum ? leaf(`Checksum${checksum.algorithm}`, part.checksum?.value) : '',
        ),
      ),
    ),
  );
}

/** ListMultipartUploads, in order of key and of start. */
export function listUploads(call: Call): Reply {
  const { query } = call;
  const limit = parseCount(call, 'max-uploads', 1000, 1000);
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const keyMarker = query.get('key-marker') ?? '';
  const idMarker = query.get('upload-id-marker') ?? '';
  if (delimiter !== '') throw new S3Error('NotImplemented', 'A delimiter is not implemented for uploads.');
  const encode = keyEncoding(call);
  const all = [...call.table.bucket(call.bucket).uploads.values()]
    .filter(({ key }) => key.startsWith(prefix))
    .sort((a, b) => compareUploads(a, b));
  const begin = all.findIndex((upload) => compareUtf8(upload.key, keyMarker) > 0);
  const marked =
    idMarker === '' ? -1 : all.findIndex(({ key, uploadId }) => key === keyMarker && uploadId === idMarker);
  const from = marked >= 0 ? marked + 1 : begin;
  const rest = from < 0 ? [] : all.slice(from);
  const page = rest.slice(0, limit);
  const truncated = page.length > 0 && page.length < rest.length;
  const last = truncated ? page.at(-1) : undefined;
  return xmlReply(
    result(
      'ListMultipartUploadsResult',
      leaf('Bucket', call.bucket),
      leaf('KeyMarker', encode(keyMarker)),
      leaf('UploadIdMarker', idMarker),
      leaf('NextKeyMarker', last && encode(last.key)),
      leaf('NextUploadIdMarker', last?.uploadId),
      leaf('Prefix', encode(prefix)),
      leaf('EncodingType', query.get('encoding-type') ?? undefined),
      leaf('MaxUploads', limit),
      leaf('IsTruncated', truncated),
      ...page.map((upload) =>
        branch(
          'Upload',
          leaf('Key', encode(upload.key)),
          leaf('UploadId', upload.uploadId),
          leaf('StorageClass', upload.attributes.storageClass),
          leaf('Initiated', formatTime(upload.initiated)),
          leaf('ChecksumAlgorithm', upload.checksum?.algorithm),
          leaf('ChecksumType', upload.checksum?.type),
        ),
      ),
    ),
  );
}

function compareUploads(a: Upload, b: Upload): number {
  return compareUtf8(a.key, b.key) || a.initiated - b.initiated || (a.uploadId < b.uploadId ? -1 : 1);
}
