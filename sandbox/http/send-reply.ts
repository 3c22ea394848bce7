import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Reply } from './call.ts';
import { slice, type Content, type ContentStore } from '../storage/content.ts';
import type { Fault } from '../faults.ts';

/** Bytes of one write. Node holds several copies of a larger one, above all with TLS. */
const SLICE = 256 * 1024;

export interface Delivery {
  content: ContentStore;
  fault: Fault | undefined;
  /** The TCP socket, also where TLS is on top of it: only a TCP socket can be reset. */
  socket: Socket;
  /**
   * Called before the last bytes go out, so that a request never counts as in flight once the client has its answer.
   */
  last: () => void;
}

/** Sends a reply, or the part of it that the fault lets through. */
export async function sendReply(response: ServerResponse, reply: Reply, delivery: Delivery): Promise<void> {
  const { fault, socket } = delivery;
  const body = bodyOf(reply);
  response.writeHead(reply.status, {
    ...reply.headers,
    ...(hasLength(reply) && fault?.kind !== 'unannounced' && { 'content-length': body.length }),
  });
  const bodiless = response.req.method === 'HEAD' || body.length === 0;
  if (fault?.kind === 'cut' || fault?.kind === 'stall') {
    const end = bodiless ? 0 : Math.min(fault.afterBytes, body.length);
    await write(response, slice(body.content, 0, end), delivery);
    await flush(response);
    if (fault.kind === 'stall') await closed(response);
    else if (fault.how === 'reset') socket.resetAndDestroy();
    else response.socket?.destroySoon();
    return;
  }
  if (bodiless) {
    delivery.last();
    response.end();
    return;
  }
  await write(response, body.content, delivery, body.length);
}

function bodyOf({ body }: Reply): { content: Content; length: number } {
  if (!body) return { content: [], length: 0 };
  return Buffer.isBuffer(body) ? { content: [{ bytes: body }], length: body.length } : body;
}

/** False for replies that must not have a Content-Length: RFC 9110 8.6. */
function hasLength({ status }: Reply): boolean {
  return status !== 204 && status !== 304;
}

/** Writes the content, and ends the response once `length` bytes are written. */
async function write(
  response: ServerResponse,
  content: Content,
  { content: contentStore, fault, last }: Delivery,
  length = Infinity,
): Promise<void> {
  let sent = 0;
  // A body that was made for this reply is in memory, whichever content store the sandbox has.
  const inMemory = content.every((segment) => 'bytes' in segment);
  const source = inMemory
    ? content.map((segment) => ('bytes' in segment ? segment.bytes : Buffer.alloc(0)))
    : contentStore.read(content);
  for await (const block of source) {
    for (let at = 0; at < block.length; at += SLICE) {
      if (response.destroyed) return;
      const plain = block.subarray(at, at + SLICE);
      const bytes = fault?.kind === 'corrupt' ? corrupt(plain, fault.atByte - sent) : plain;
      sent += bytes.length;
      if (sent === length) {
        last();
        response.end(bytes);
      } else if (!response.write(bytes)) {
        await drained(response);
      }
    }
  }
}

function corrupt(bytes: Buffer, at: number): Buffer {
  const byte = bytes[at];
  if (byte === undefined) return bytes;
  const copy = Buffer.from(bytes);
  copy[at] = byte ^ 0xff;
  return copy;
}

async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  const stop = new AbortController();
  const options = { signal: stop.signal };
  try {
    await Promise.race([once(response, 'drain', options), once(response, 'close', options)]);
  } finally {
    stop.abort();
  }
}

/** Waits until the written bytes have gone to the client. */
async function flush(response: ServerResponse): Promise<void> {
  response.flushHeaders();
  const { socket } = response;
  if (!socket || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    socket.write('', () => {
      resolve();
    });
  });
}

export async function closed(response: ServerResponse): Promise<void> {
  if (!response.destroyed && !response.closed) await once(response, 'close');
}
