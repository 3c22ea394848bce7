import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import type { Shape } from './shape.ts';

/** Milliseconds by which bytes may be ahead of their time: timers are no finer, and a queue in a router is as long. */
const BURST_MS = 10;
/** Milliseconds below which nothing waits. */
const LEAST_MS = 1;

/** A rate that chunks share, one behind another. */
class Lane {
  readonly #bytesPerMs: number;
  #next = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** The time, by `performance.now()`, at which so many bytes are through. */
  through(bytes: number, now: number): number {
    this.#next = Math.max(this.#next, now - BURST_MS) + bytes / this.#bytesPerMs;
    return this.#next;
  }
}

/**
 * Relays connections to a port of this machine at the rates of a network: all of them share one lane each way, and each has
 * one of its own.
 *
 * @returns the port to connect to
 */
export async function startRelay(
  port: number,
  { bytesPerSecond, bytesPerConnection }: Pick<Shape, 'bytesPerSecond' | 'bytesPerConnection'>,
): Promise<number> {
  const shared = { up: new Lane(bytesPerSecond), down: new Lane(bytesPerSecond) };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    pace(client, upstream, [shared.up, new Lane(bytesPerConnection)]);
    pace(upstream, client, [shared.down, new Lane(bytesPerConnection)]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  return (server.address() as AddressInfo).port;
}

/** Passes bytes on when their lanes have let them through. */
function pace(from: Socket, to: Socket, lanes: Lane[]): void {
  from.on('data', (chunk: Buffer) => {
    const now = performance.now();
    const wait = Math.max(...lanes.map((lane) => lane.through(chunk.length, now))) - now;
    const pass = (): void => {
      if (to.write(chunk)) from.resume();
      else to.once('drain', () => from.resume());
    };
    from.pause();
    if (wait < LEAST_MS) pass();
    else setTimeout(pass, wait);
  });
  from.on('end', () => to.end());
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroy());
}
