import { setTimeout as sleep } from 'node:timers/promises';
import { startSandbox, type Operation } from '../sandbox/sandbox.ts';

/** Requests that the server got since the last order `seen`. */
export interface Seen {
  /** Number of GETs of whole raw objects. */
  rawReads: number;
  /** Keys of objects that were created, in order. */
  written: string[];
  peakConnections: number;
}

/** Messages from the demo to this process, which answers each with one message. */
export type Order = { type: 'start'; bucket: string; rawPrefix: string; folder?: string } | { type: 'seen' };

const CLOSING_MS = 5;
const WRITES = new Set<Operation>(['PutObject', 'CopyObject', 'CompleteMultipartUpload']);

// The demo ends this process by closing the channel. Ctrl-C is handled by the demo.
process.on('SIGINT', () => undefined);

let answer: ((order: Order) => Promise<unknown>) | undefined;
let orders = Promise.resolve();
process.on('message', (order: Order) => {
  orders = orders.then(async () => {
    answer ??= await start(order);
    process.send?.(await answer(order));
  });
});

async function start(order: Order): Promise<(order: Order) => Promise<unknown>> {
  if (order.type !== 'start') throw new Error('The sandbox was not started.');
  const { bucket, rawPrefix, folder } = order;
  let rawReads = 0;
  let written: string[] = [];
  const sandbox = await startSandbox({
    buckets: [bucket],
    ...(folder === undefined ? {} : { folder }),
    hook: ({ operation, key, range }) => {
      // Of a few objects the first bytes are read too, by a range, to tell their format.
      const isWhole = range === undefined;
      if (operation === 'GetObject' && isWhole && key?.startsWith(rawPrefix) === true) rawReads++;
      if (WRITES.has(operation) && key !== undefined) written.push(key);
      return undefined;
    },
  });
  process.once('disconnect', () => void sandbox.close().then(() => process.exit()));

  return async ({ type }) => {
    if (type === 'start') return sandbox.endpoint;
    // The demo has closed its connections; the next client should be counted alone.
    while (sandbox.stats().connections > 0) await sleep(CLOSING_MS);
    const seen: Seen = { rawReads, written, peakConnections: sandbox.stats().peakConnections };
    rawReads = 0;
    written = [];
    sandbox.resetPeaks();
    return seen;
  };
}
