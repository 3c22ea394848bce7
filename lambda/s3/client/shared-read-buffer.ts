import type { ClientRequestArgs } from 'node:http';
import type { OnReadOpts } from 'node:net';
import type { Duplex } from 'node:stream';

export type Create = (options: ClientRequestArgs, callback?: Created) => Duplex | null | undefined;
export type Created = (error: Error | null, stream: Duplex) => void;

/** What connections read into, one after another: Node reads in one thread, and hands over what it has read at once. */
const RECEIVED = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Connections that share one buffer for what they read, where each read would else bring a buffer of its own for the
 * garbage collector. For Node's HTTP client alone: it has parsed what is 'data' when the event ends, and its parser
 * copies the bytes of a body.
 */
export function reusing(create: Create): (...args: Parameters<Create>) => Duplex {
  return (options, callback) => {
    const onread: OnReadOpts = {
      buffer: RECEIVED,
      callback: (length) => {
        // With `onread` a socket says nothing of its own accord, and the HTTP client listens to nothing else.
        stream.emit('data', RECEIVED.subarray(0, length));
        return true;
      },
    };
    const reading: ClientRequestArgs & { onread: OnReadOpts } = { ...options, onread };
    const stream = madeAtOnce(create(reading, callback));
    return stream;
  };
}

/** As Node's own agents make them. Of another nothing would ever be heard. */
function madeAtOnce(stream: Duplex | null | undefined): Duplex {
  if (!stream) throw new TypeError('The agent has to give its connection at once.');
  return stream;
}
