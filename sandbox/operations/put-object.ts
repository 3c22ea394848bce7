import { etagOf, parseAttributes } from '../storage/attributes.ts';
import type { Call, Reply } from '../http/call.ts';
import { checksumHeader, type Checksum } from '../checksums.ts';
import { checkWrite } from '../conditions.ts';
import type { Content } from '../storage/content.ts';
import { bodyLength, type Received } from '../http/receive-body.ts';
import { checkKey } from '../http/route.ts';

export async function putObject(call: Call): Promise<Reply> {
  const { table, bucket, key, headers } = call;
  const { objects } = table.bucket(bucket);
  checkKey(key);
  const attributes = parseAttributes(headers);
  checkWrite(headers, key, objects.get(key));
  const { received, content } = await spoolBody(call);

  // No await from here to the commit, so that the conditions still hold when the object appears.
  const checksum: Checksum | undefined = received.checksum && { ...received.checksum, type: 'FULL_OBJECT' };
  try {
    checkWrite(headers, key, table.bucket(bucket).objects.get(key));
  } catch (error) {
    table.content.discard(content);
    throw error;
  }
  const { size, md5 } = received;
  const etag = etagOf(attributes, md5);
  const object = {
    key,
    size,
    etag,
    lastModified: call.now(),
    content,
    attributes,
    ...(checksum && { checksum }),
  };
  table.commit({ type: 'object-put', bucket, object });
  return { status: 200, headers: { etag: `"${etag}"`, ...checksumReply(checksum) } };
}

export function checksumReply(checksum: Checksum | undefined): Record<string, string> {
  if (!checksum) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

/** Reads a body into the content store. Discards it if it is refused. */
export async function spoolBody(call: Call): Promise<{ received: Received; content: Content }> {
  const spool = call.table.content.spool(bodyLength(call.headers));
  try {
    const received = await call.receive((bytes) => spool.write(bytes));
    return { received, content: await spool.finish() };
  } catch (error) {
    spool.discard();
    throw error;
  }
}
