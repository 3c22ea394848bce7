import { startSandbox, type Operation } from '../sandbox.ts';

/** What the server saw since it was last asked. */
export interface Seen {
  /** Requests for the bodies of raw objects. */
  rawReads: number;
  /** Objects that came to be: keys, in order. */
  written: string[];
  peakConnections: number;
  peakDownloads: number;
}

/** From the demo to this process, which answers each with one message. */
export type Order = { type: 'start'; bucket: string; rawPrefix: string; folder?: string } | { type: 'seen' };

const WRITES = new Set<Operation>(['PutObject', 'CopyObject', 'CompleteMultipartUpload']);

// The demo ends it by closing the channel; a Ctrl-C is for the demo to handle.
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
    hook: ({ operation, key }) => {
      if (operation === 'GetObject' && key?.startsWith(rawPrefix)) rawReads++;
      if (WRITES.has(operation) && key !== undefined) written.push(key);
      return undefined;
    },
  });
  process.once('disconnect', () => void sandbox.close().then(() => process.exit()));

  return ({ type }) => {
    if (type === 'start') return Promise.resolve(sandbox.endpoint);
    const { peakConnections, peakInFlightGets } = sandbox.stats();
    const seen: Seen = { rawReads, written, peakConnections, peakDownloads: peakInFlightGets };
    rawReads = 0;
    written = [];
    sandbox.resetPeaks();
    return Promise.resolve(seen);
  };
}
