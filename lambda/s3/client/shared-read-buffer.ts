import type { ClientRequestArgs } from 'node:http';
import type { OnReadOpts } from 'node:net';
import type { Duplex } from 'node:stream';

/** An agent's `createConnection`. */
export type Create = (options: ClientRequestArgs, callback?: Created) => Duplex | null | undefined;
/** The callback of `createConnection`. */
export type Created = (error: Error | null, stream: Duplex) => void;

/** The buffer that all connections read into, one after another: Node reads in one thread, and emits what it read at once. */
const RECEIVED = Buffer.allocUnsafeSlow(64 * 1024);

/** Reads a connection in place of Node's HTTP client, while the connection is lent to it. */
export interface Reader {
  /** Called with what has arrived: the first `length` bytes of a buffer that others use as soon as this returns. */
  take(bytes: Buffer, length: number): void;
  /** Called when the connection has ended or failed, more than once perhaps. */
  ended(error: Error | undefined): void;
}

const readers = new WeakMap<Duplex, Reader>();

/** Hands what arrives on a connection to a reader, and to Node's HTTP client no more; without a reader, to that again. */
export function setReader(stream: Duplex, reader: Reader | undefined): void {
  if (reader === undefined) readers.delete(stream);
  else readers.set(stream, reader);
}

/**
 * Makes the connections of an agent share one read buffer; otherwise each read makes a buffer of its own for the garbage
 * collector. It is right for a `Reader`, and for Node's HTTP client, which has parsed a chunk when its 'data' event ends, and
 * whose parser copies the bytes of a body.
 */
export function withSharedReadBuffer(create: Create): (...args: Parameters<Create>) => Duplex {
  return (options, callback) => {
    const onread: OnReadOpts = {
      buffer: RECEIVED,
      callback: (length) => {
        const reader = readers.get(stream);
        if (reader !== undefined) reader.take(RECEIVED, length);
        // With `onread` a socket emits no 'data', and the HTTP client listens to nothing else.
        else if (!stream.emit('data', RECEIVED.subarray(0, length))) stream.destroy();
        return true;
      },
    };
    const reading: ClientRequestArgs & { onread: OnReadOpts } = { ...options, onread };
    const stream = required(create(reading, callback));
    stream.on('error', (error: Error) => readers.get(stream)?.ended(error));
    for (const event of ['end', 'close']) stream.on(event, () => readers.get(stream)?.ended(undefined));
    return stream;
  };
}

/** Throws a `TypeError` for an agent that gives its connection to the callback alone, unlike Node's own: it would not emit. */
export function required(stream: Duplex | null | undefined): Duplex {
  if (!stream) throw new TypeError('The agent has to give its connection at once.');
  return stream;
}
