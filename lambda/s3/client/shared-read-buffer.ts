import type { ClientRequestArgs } from 'node:http';
import type { OnReadOpts } from 'node:net';
import type { Duplex } from 'node:stream';

/** An agent's `createConnection`. */
export type Create = (options: ClientRequestArgs, callback?: Created) => Duplex | null | undefined;
/** The callback of `createConnection`. */
export type Created = (error: Error | null, stream: Duplex) => void;

/** The buffer that all connections read into, one after another: Node reads in one thread, and emits what it read at once. */
const RECEIVED = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Makes the connections of an agent share one read buffer; otherwise each read makes a buffer of its own for the garbage
 * collector. It is right for Node's HTTP client alone, which has parsed a chunk when its 'data' event ends, and whose parser
 * copies the bytes of a body.
 */
export function withSharedReadBuffer(create: Create): (...args: Parameters<Create>) => Duplex {
  return (options, callback) => {
    const onread: OnReadOpts = {
      buffer: RECEIVED,
      callback: (length) => {
        // With `onread` a socket emits no 'data', and the HTTP client listens to nothing else.
        stream.emit('data', RECEIVED.subarray(0, length));
        return true;
      },
    };
    const reading: ClientRequestArgs & { onread: OnReadOpts } = { ...options, onread };
    const stream = required(create(reading, callback));
    return stream;
  };
}

/** Throws a `TypeError` for an agent that gives its connection to the callback alone, unlike Node's own: it would not emit. */
export function required(stream: Duplex | null | undefined): Duplex {
  if (!stream) throw new TypeError('The agent has to give its connection at once.');
  return stream;
}
