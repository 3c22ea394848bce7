import {
  type PlanItem,
  type RollupEvent,
  parsePlanAt,
  parseSource,
  writeItems,
} from '../../lambda/rollup/index.ts';
import { RollupError } from '../../lambda/errors.ts';
import { openDescriptors } from '../../lambda/s3/client/gauge.ts';
import { type Connection, connect } from '../../lambda/s3/connection.ts';
import { parseSettings } from '../../lambda/settings/settings.ts';
import { cacheCompiledCode } from '../compile-cache.ts';
import { type FromWorker, type ToWorker, toWorkerSchema } from './messages.ts';

/** One of the processes of `run --workers`. It asks for an item of the plan whenever it has room for one. */

const PROGRESS_MS = 200;

cacheCompiledCode();

type Item = Pick<PlanItem, 'offset' | 'length'>;

const stop = new AbortController();
let receive: (item: Item | null) => void = () => undefined;
stop.signal.addEventListener('abort', () => {
  receive(null);
});

// A terminal sends its signals to this process too, but the run that started it decides when it ends.
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => undefined);
process.on('disconnect', () => {
  stop.abort(new RollupError('Aborted', 'The run that this worker belongs to is gone.'));
});
process.on('message', (raw) => {
  const message = toWorkerSchema.parse(raw);
  if (message.type === 'start') void work(message);
  else if (message.type === 'item') receive(message.item);
  else stop.abort(new RollupError('Aborted', 'The run was stopped.'));
});

async function work({
  plan,
  etag,
  source,
  repack,
  settings: raw,
  ...options
}: Extract<ToWorker, { type: 'start' }>): Promise<void> {
  const settings = parseSettings(raw, (name) => name);
  const connection = connect({ settings, endpointUrl: options.endpointUrl, region: options.region });
  const { store, gauge } = connection;
  gauge.start();
  const read = { objects: 0, bytes: 0 };
  const sendProgress = (): void => {
    send({
      type: 'progress',
      objects: read.objects,
      bytes: read.bytes,
      connections: gauge.connections,
      descriptors: openDescriptors() ?? 0,
    });
    Object.assign(read, { objects: 0, bytes: 0 });
  };
  const timer = setInterval(sendProgress, PROGRESS_MS);
  const report = (event: RollupEvent): void => {
    if (event.type === 'output' || event.type === 'begun') send(event);
    if (event.type !== 'read') return;
    read.objects += event.objects;
    read.bytes += event.bytes;
  };
  let end: FromWorker;
  try {
    const context = {
      store,
      raw: connection.raw,
      settings,
      report,
      hasTime: () => true,
      signal: stop.signal,
    };
    const at = parsePlanAt(plan);
    const request = { source: parseSource(source), destination: at.destination, repack };
    const step = await writeItems({ at, etag }, itemsOfRun(), request, context);
    end = { type: 'done', step, ...usageOf(connection) };
  } catch (error) {
    const known =
      error instanceof RollupError ? error : new RollupError('S3Error', String(error), { cause: error });
    end = { type: 'failed', error: known.toJSON(), ...usageOf(connection) };
  }
  clearInterval(timer);
  sendProgress();
  send(end);
  connection.close();
  if (process.connected) process.disconnect();
}

async function* itemsOfRun(): AsyncGenerator<Item> {
  for (;;) {
    const item = await new Promise<Item | null>((resolve) => {
      receive = resolve;
      send({ type: 'next' });
    });
    stop.signal.throwIfAborted();
    if (item === null) return;
    yield item;
  }
}

function usageOf(connection: Connection) {
  return { requests: connection.takeRequests(), peak: connection.gauge.stop() };
}

function send(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}
