import { Agent as HttpAgent, type ClientRequestArgs, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { Readable } from 'node:stream';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Gauge } from './gauge.ts';
import { agentProxy } from '../../proxy.ts';
import { type Create, type Created, required, withSharedReadBuffer } from './shared-read-buffer.ts';
import type { Timeouts } from './timeouts.ts';

/** Milliseconds of silence before the system probes a connection. */
const KEEP_ALIVE_MS = 30_000;
/** Milliseconds until a connection that waits for its next request is closed. */
const IDLE_CONNECTION_MS = 90_000;

/** Bytes of one write. A whole part in one write makes Node hold several copies of it; slices with backpressure do not. */
const SLICE = 64 * 1024;

type HandledRequest = Parameters<NodeHttpHandler['handle']>[0];

/**
 * Counts every connection that the agents open, and keeps them to `maxSockets` in all. An agent's own bound is for one host:
 * with two hosts, an idle connection to one is closed when the other needs a new one.
 */
function watchConnections(
  agents: HttpAgent[],
  { maxSockets, gauge, isDirect }: { maxSockets: number; gauge: Gauge; isDirect: boolean },
): void {
  const closers = new WeakMap<Duplex, () => void>();
  const makeRoom = (): void => {
    const idle = agents.flatMap(({ freeSockets }) => Object.values(freeSockets)).flatMap((free = []) => free);
    const oldest = idle.find((socket) => !socket.destroyed);
    oldest?.destroy();
    if (oldest !== undefined) closers.get(oldest)?.();
  };
  for (const agent of agents) {
    const own = agent.createConnection.bind(agent);
    // Through a proxy the agent gives the tunnel, and HTTP is spoken over another socket, which it gives to the callback.
    const create = isDirect
      ? withSharedReadBuffer(own)
      : (...given: Parameters<Create>) => required(own(...given));
    agent.createConnection = (options: ClientRequestArgs, callback?: Created) => {
      if (gauge.connections >= maxSockets) makeRoom();
      const stream = create(options, callback);
      gauge.connectionOpened();
      let open = true;
      const close = (): void => {
        if (open) gauge.connectionClosed();
        open = false;
      };
      stream.once('close', close);
      closers.set(stream, close);
      return stream;
    };
  }
}

/** Options of the request handler. */
export interface RequestHandlerOptions {
  /** The most connections, to all hosts together. */
  maxSockets: number;
  gauge: Gauge;
  /** PEM of the certificate authority to trust, in place of Node's. */
  ca?: string | undefined;
  timeouts: Timeouts;
}

/**
 * The request handler of every client of a process: it never opens more than `maxSockets` connections to a host, nor keeps
 * more open in all.
 */
export class CappedRequestHandler extends NodeHttpHandler {
  readonly #bodyIdleMs: number;

  constructor({ maxSockets, gauge, ca, timeouts }: RequestHandlerOptions) {
    const options = {
      maxSockets,
      maxFreeSockets: maxSockets,
      keepAlive: true,
      keepAliveMsecs: KEEP_ALIVE_MS,
      timeout: IDLE_CONNECTION_MS,
    };
    const proxy = agentProxy();
    const httpAgent = new HttpAgent({ ...options, ...proxy });
    const httpsAgent = new HttpsAgent({ ...options, ...proxy, ...(ca === undefined ? {} : { ca }) });
    watchConnections([httpAgent, httpsAgent], { maxSockets, gauge, isDirect: proxy.proxyEnv === undefined });
    super({
      httpAgent,
      httpsAgent,
      connectionTimeout: timeouts.connect,
      requestTimeout: timeouts.headers,
      throwOnRequestTimeout: true,
    });
    this.#bodyIdleMs = timeouts.bodyIdle;
  }

  override async handle(
    ...[request, options]: Parameters<NodeHttpHandler['handle']>
  ): ReturnType<NodeHttpHandler['handle']> {
    const handled = await super.handle(inSlices(request), options);
    const { statusCode, headers } = handled.response;
    const body: unknown = handled.response.body;
    // Bodies of objects have an idle timer where they are read, which runs only while a reader waits for bytes.
    const isObject = request.method === 'GET' && statusCode < 300 && headers['etag'] !== undefined;
    if (!isObject && body instanceof IncomingMessage) endIdle(body, this.#bodyIdleMs);
    return handled;
  }
}

/** Ends a response that stalls. The SDK reads listings, results and errors without a timeout for their bodies. */
function endIdle(body: IncomingMessage, idleMs: number): void {
  const { socket } = body;
  const end = (): void => {
    const message = `A response sent nothing for ${idleMs / 1000} s.`;
    body.destroy(Object.assign(new Error(message), { name: 'TimeoutError' }));
  };
  socket.setTimeout(idleMs);
  socket.once('timeout', end);
  body.once('close', () => {
    socket.off('timeout', end);
  });
}

/** The request with a large body as a stream of slices. */
function inSlices(request: HandledRequest): HandledRequest {
  const body: unknown = request.body;
  if (!(body instanceof Uint8Array) || body.byteLength <= SLICE) return request;
  return Object.assign(Object.create(request) as HandledRequest, { body: Readable.from(slices(body)) });
}

function* slices(body: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < body.byteLength; at += SLICE) yield body.subarray(at, at + SLICE);
}
