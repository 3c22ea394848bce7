import { Agent as HttpAgent, type ClientRequestArgs } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { Readable } from 'node:stream';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Gauge } from '../gauge.ts';
import type { Timeouts } from './timeouts.ts';

const KEEP_ALIVE_MS = 30_000;
const IDLE_CONNECTION_MS = 90_000;

/** One write of a whole part makes Node hold several copies of it; slices of this much, with backpressure, do not. */
const SLICE = 256 * 1024;

type Create = (options: ClientRequestArgs, callback?: Created) => Duplex | null | undefined;
type Created = (error: Error | null, stream: Duplex) => void;

/** Tells the gauge of every connection that the agent opens. */
function counted<A extends HttpAgent>(gauge: Gauge, agent: A): A {
  const create: Create = agent.createConnection.bind(agent);
  agent.createConnection = (options: ClientRequestArgs, callback?: Created) => {
    const stream = create(options, callback);
    gauge.connectionOpened();
    stream?.once('close', () => {
      gauge.connectionClosed();
    });
    return stream;
  };
  return agent;
}

export interface RequestHandlerOptions {
  maxSockets: number;
  gauge: Gauge;
  ca?: string | undefined;
  timeouts: Timeouts;
}

/** The one way to S3: an agent that never opens more than `maxSockets` connections to a host. */
export class CappedRequestHandler extends NodeHttpHandler {
  constructor({ maxSockets, gauge, ca, timeouts }: RequestHandlerOptions) {
    const options = {
      maxSockets,
      maxFreeSockets: maxSockets,
      keepAlive: true,
      keepAliveMsecs: KEEP_ALIVE_MS,
      timeout: IDLE_CONNECTION_MS,
    };
    super({
      httpAgent: counted(gauge, new HttpAgent(options)),
      httpsAgent: counted(gauge, new HttpsAgent(ca === undefined ? options : { ...options, ca })),
      connectionTimeout: timeouts.connect,
      requestTimeout: timeouts.headers,
      throwOnRequestTimeout: true,
    });
  }

  override handle(
    ...[request, options]: Parameters<NodeHttpHandler['handle']>
  ): ReturnType<NodeHttpHandler['handle']> {
    const body: unknown = request.body;
    if (!(body instanceof Uint8Array) || body.byteLength <= SLICE) return super.handle(request, options);
    const sliced = Object.assign(Object.create(request) as typeof request, {
      body: Readable.from(slices(body)),
    });
    return super.handle(sliced, options);
  }
}

function* slices(body: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < body.byteLength; at += SLICE) yield body.subarray(at, at + SLICE);
}
