import { createHash } from 'node:crypto';
import { checkReadable, etagOf, parseAttributes } from '../storage/attributes.ts';
import { header, xmlReply, type Call, type Reply } from '../http/call.ts';
import { parseAlgorithm, type Checksum } from '../checksums.ts';
import { checkCopySource, checkWrite } from '../conditions.ts';
import type { Content } from '../storage/content.ts';
import { LARGEST_PUT } from '../http/receive-body.ts';
import { checkKey } from '../http/route.ts';
import { S3Error } from '../http/s3-error.ts';
import type { Attributes, ObjectTable, StoredObject } from '../storage/object-table.ts';
import { leaf, result } from '../http/xml.ts';
import { formatTime } from './list-objects.ts';

/** CopyObject. The copy shares the source's bytes. Nothing awaits, so the conditions still hold when it appears. */
export function copyObject(call: Call): Reply {
  const { table, bucket, key, headers } = call;
  const { objects } = table.bucket(bucket);
  checkKey(key);
  const source = copySource(call);
  if (source.object.size > LARGEST_PUT) {
    throw new S3Error(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${LARGEST_PUT}`,
    );
  }
  const attributes = copiedAttributes(call, source.object);
  if (
    source.bucket === bucket &&
    source.object.key === key &&
    sameAttributes(call, attributes, source.object)
  ) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  checkWrite(headers, key, objects.get(key));
  const { content, size } = source.object;
  const checksum = copiedChecksum(call, source.object);
  const object: StoredObject = {
    key,
    size,
    // The ETag of a multipart object is made from its parts, and a copy has none.
    etag: etagOf(attributes, source.object.parts ? md5(table, content) : source.object.etag),
    lastModified: call.now(),
    content,
    attributes,
    ...(checksum && { checksum }),
  };
  table.commit({ type: 'object-put', bucket, object });
  return xmlReply(copyResult('CopyObjectResult', object, checksum));
}

export function copyResult(
  name: 'CopyObjectResult' | 'CopyPartResult',
  { etag, lastModified }: { etag: string; lastModified: number },
  checksum: (Pick<Checksum, 'algorithm' | 'value'> & { type?: string }) | undefined,
): Buffer {
  return result(
    name,
    leaf('LastModified', formatTime(lastModified)),
    leaf('ETag', `"${etag}"`),
    ...(checksum
      ? [leaf(`Checksum${checksum.algorithm}`, checksum.value), leaf('ChecksumType', checksum.type)]
      : []),
  );
}

/** The object that `x-amz-copy-source` names. Throws if it does not meet the conditions on it. */
export function copySource(call: Call): { bucket: string; object: StoredObject } {
  const text = header(call, 'x-amz-copy-source') ?? '';
  if (text.includes('?'))
    throw new S3Error('NotImplemented', 'Versions of a copy source are not implemented.');
  const [, bucket = '', key = ''] = /^\/?([^/]+)\/(.+)$/s.exec(decodeSource(text)) ?? [];
  if (bucket === '')
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key');
  const object = call.table.object(bucket, key);
  checkCopySource(call.headers, object);
  checkReadable(object);
  return { bucket, object };
}

/** Decodes form encoding, in which a plus sign is %2B. */
function decodeSource(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new S3Error('InvalidArgument', 'Copy Source must be URL-encoded');
  }
}

export function md5(table: ObjectTable, content: Content): string {
  const hash = createHash('md5');
  for (const bytes of table.content.readNow(content)) hash.update(bytes);
  return hash.digest('hex');
}

function copiedAttributes(call: Call, source: StoredObject): Attributes {
  const given = parseAttributes(call.headers);
  return {
    // Storage class, encryption and ACL are never taken from the source.
    ...given,
    headers:
      directive(call, 'x-amz-metadata-directive') === 'REPLACE' ? given.headers : source.attributes.headers,
    tags: directive(call, 'x-amz-tagging-directive') === 'REPLACE' ? given.tags : source.attributes.tags,
  };
}

function directive(call: Call, name: string): string {
  const value = header(call, name) ?? 'COPY';
  if (value === 'COPY' || value === 'REPLACE') return value;
  throw new S3Error('InvalidArgument', 'Unknown metadata directive.', {
    ArgumentName: name,
    ArgumentValue: value,
  });
}

function sameAttributes(call: Call, { storageClass, encryption }: Attributes, source: StoredObject): boolean {
  return (
    encryption === undefined &&
    directive(call, 'x-amz-metadata-directive') === 'COPY' &&
    storageClass === source.attributes.storageClass
  );
}

/**
 * Checksum of the copy, by the algorithm asked for or that of the source. It is of the whole, so a composite is
 * recomputed.
 */
function copiedChecksum(call: Call, source: StoredObject): Checksum | undefined {
  const asked = header(call, 'x-amz-checksum-algorithm');
  const algorithm = asked === undefined ? source.checksum?.algorithm : parseAlgorithm(asked);
  if (!algorithm) return undefined;
  if (source.checksum?.algorithm === algorithm && source.checksum.type === 'FULL_OBJECT')
    return source.checksum;
  return { algorithm, type: 'FULL_OBJECT', value: call.table.digest(algorithm, source.content) };
}
