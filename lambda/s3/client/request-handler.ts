import { Agent as HttpAgent, type ClientRequestArgs, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { Readable } from 'node:stream';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Gauge } from './gauge.ts';
import { agentProxy } from '../../proxy.ts';
import { KiB } from '../../size.ts';
import { isCut } from './network.ts';
import { type Create, type Created, required, withSharedReadBuffer } from './shared-read-buffer.ts';
import { SLOWEST_UPLOAD, SLOW_FACTOR, type Timeouts } from './timeouts.ts';

/** Milliseconds of silence before the system probes a connection. */
const KEEP_ALIVE_MS = 30_000;
/** Milliseconds until a connection that waits for its next request is closed. */
const IDLE_CONNECTION_MS = 90_000;

/**
 * Milliseconds without a request after which a connection is not used again. Where a function was frozen, or what lies between
 * has dropped it, it is dead and nobody has noticed: no timer ran. By the clock, because only that goes on.
 * https://docs.aws.amazon.com/lambda/latest/dg/best-practices.html ("Use a keep-alive directive")
 */
const STALE_MS = 10_000;
/** Milliseconds between two looks for such connections. */
const LOOK_MS = 1_000;

/**
 * Bytes of one write. A whole part in one write makes Node hold several copies of it; slices with backpressure do not. Smaller
 * ones take more CPU time: with 64 KiB a twentieth of a run.
 */
const SLICE = 256 * KiB;

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
  /** True if connections are lent to who speaks HTTP over them. @defaultValue true, except where a proxy is configured */
  lends?: boolean | undefined;
}

/**
 * The request handler of every client of a process: it never opens more than `maxSockets` connections to a host, nor keeps
 * more open in all.
 */
export class CappedRequestHandler extends NodeHttpHandler {
  readonly #timeouts: Timeouts;
  readonly #agents: HttpAgent[];
  readonly #lends: boolean;
  /** Times by `Date.now()` at which connections became idle. */
  readonly #idleSince = new WeakMap<Duplex, number>();
  #looked = Date.now();

  constructor({ maxSockets, gauge, ca, timeouts, lends = true }: RequestHandlerOptions) {
    const options = {
      maxSockets,
      maxFreeSockets: maxSockets,
      keepAlive: true,
      keepAliveMsecs: KEEP_ALIVE_MS,
      timeout: IDLE_CONNECTION_MS,
    };
    const proxy = agentProxy();
    const isDirect = proxy.proxyEnv === undefined;
    const httpAgent = new HttpAgent({ ...options, ...proxy });
    const httpsAgent = new HttpsAgent({ ...options, ...proxy, ...(ca === undefined ? {} : { ca }) });
    watchConnections([httpAgent, httpsAgent], { maxSockets, gauge, isDirect });
    super({
      httpAgent,
      httpsAgent,
      connectionTimeout: timeouts.connect,
      requestTimeout: timeouts.headers,
      throwOnRequestTimeout: true,
    });
    this.#timeouts = timeouts;
    this.#agents = [httpAgent, httpsAgent];
    this.#lends = lends && isDirect;
    for (const agent of this.#agents) {
      agent.prependListener('free', (socket: Duplex) => {
        this.#idleSince.set(socket, Date.now());
      });
    }
  }

  override async handle(
    ...[request, options]: Parameters<NodeHttpHandler['handle']>
  ): ReturnType<NodeHttpHandler['handle']> {
    this.#dropStale();
    const requestTimeout = Math.min(
      options?.requestTimeout ?? headersMs(request, this.#timeouts.headers),
      this.#timeouts.longest,
    );
    const handled = await super
      .handle(inSlices(request), { ...options, requestTimeout })
      .catch((error: unknown) => {
        this.failed(error);
        throw error;
      });
    const { statusCode, headers } = handled.response;
    const body: unknown = handled.response.body;
    // Bodies of objects have an idle timer where they are read, which runs only while a reader waits for bytes.
    const isObject = request.method === 'GET' && statusCode < 300 && headers['etag'] !== undefined;
    // S3 may send the headers of a copy or a completion early, and then white space for as long as it works.
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    const idleMs = options?.requestTimeout === undefined ? this.#timeouts.bodyIdle : requestTimeout;
    if (!isObject && body instanceof IncomingMessage)
      endIdle(body, statusCode < 300 ? idleMs : this.#timeouts.bodyIdle);
    return handled;
  }

  /**
   * The agent that lends connections, those of `handle` and not one more.
   *
   * @param protocol `https:` or `http:`
   * @returns undefined where a proxy stands between: the way through it is the agent's own
   */
  lender(protocol: string): HttpAgent | undefined {
    if (!this.#lends) return undefined;
    this.#dropStale();
    return this.#agents.find((agent) => Reflect.get(agent, 'protocol') === protocol);
  }

  /** Learns from a request that failed: if one kept connection was dead, the others are, and a retry must not try each. */
  failed(error: unknown): void {
    if (isCut(error)) this.#dropIdle(Infinity);
  }

  /** Closes connections that have had no request for long. */
  #dropStale(): void {
    const now = Date.now();
    if (now - this.#looked < LOOK_MS) return;
    this.#looked = now;
    this.#dropIdle(now - STALE_MS);
  }

  /** Closes connections that have been idle since before a time. */
  #dropIdle(before: number): void {
    for (const { freeSockets } of this.#agents)
      for (const free of Object.values(freeSockets))
        for (const socket of [...(free ?? [])])
          if ((this.#idleSince.get(socket) ?? 0) < before) socket.destroy();
  }
}

/** Milliseconds until the headers of the answer to a request that names no time itself. */
function headersMs({ method, query, body }: HandledRequest, headers: number): number {
  const isList = method === 'GET' && ('list-type' in query || 'uploads' in query);
  const isDelete = method === 'POST' && 'delete' in query;
  if (isList || isDelete) return SLOW_FACTOR * headers;
  if (method !== 'PUT' || !(body instanceof Uint8Array)) return headers;
  return SLOW_FACTOR * headers + Math.ceil(body.byteLength / SLOWEST_UPLOAD);
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
  return Object.assign(Object.create(request) as HandledRequest, { body: new Slices(body) });
}

/** The bytes of a body in slices, which are made as they are asked for: an async iterator takes more CPU time. */
class Slices extends Readable {
  readonly #body: Uint8Array;
  #at = 0;

  constructor(body: Uint8Array) {
    super({ highWaterMark: SLICE });
    this.#body = body;
  }

  override _read(): void {
    const slice = this.#body.subarray(this.#at, (this.#at += SLICE));
    this.push(slice.length === 0 ? null : slice);
  }
}
