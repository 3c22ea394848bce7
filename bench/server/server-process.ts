import { answerOrders } from '../process/orders.ts';
import type { Shape } from '../network/shape.ts';
import { startBenchServer } from './bench-server.ts';
import type { DataSetOptions } from './data-set.ts';

export type ServerOrder =
  | { type: 'start'; dataSet: DataSetOptions; shape?: Shape | undefined }
  | { type: 'reset' }
  | { type: 'seen' };

let server: Awaited<ReturnType<typeof startBenchServer>> | undefined;

answerOrders(async (order: ServerOrder) => {
  if (order.type === 'start') {
    server = await startBenchServer(order.dataSet, order.shape);
    return server.started;
  }
  if (server === undefined) throw new Error('The server was not started.');
  return order.type === 'seen' ? server.seen() : server.reset();
});
