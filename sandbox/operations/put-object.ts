import { etagOf, parseAttributes } from '../storage/attributes.ts';
import type { Call, Reply } from '../http/call.ts';
import { checksumHeader, type Checksum } from '../checksums.ts';
import { checkWrite } from '../conditions.ts';
import type { Content } from '../storage/content.ts';
import { bodyLength, type Received } from '../http/receive-body.ts';
import { checkKey } from '../http/route.ts';

export async function putObject(call: Call): Promise<Reply> {
  const { store, bucket, key, headers } = call;
  const { objects } = store.bucket(bucket);
  checkKey(key);
  const attributes = parseAttributes(headers);
  checkWrite(headers, key, objects.get(key));
  const { received, content } = await spoolBody(call);

  // From here to the commit nothing waits: the conditions hold when the object becomes visible.
  const checksum: Checksum | undefined = received.checksum && { ...received.checksum, type: 'FULL_OBJECT' };
  try {
    checkWrite(headers, key, store.bucket(bucket).objects.get(key));
  } catch (error) {
    store.content.discard(content);
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
  store.commit({ type: 'object-put', bucket, object });
  return { status: 200, headers: { etag: `"${etag}"`, ...checksumReply(checksum) } };
}

export function checksumReply(checksum: Checksum | undefined): Record<string, string> {
  if (!checksum) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

/** Takes a body in; what is left of one that is refused goes. */
export async function spoolBody(call: Call): Promise<{ received: Received; content: Content }> {
  const spool = call.store.content.spool(bodyLength(call.headers));
  try {
    const received = await call.receive((bytes) => spool.write(bytes));
    return { received, content: await spool.finish() };
  } catch (error) {
    spool.discard();
    throw error;
  }
}
