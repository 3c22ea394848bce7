import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { type Connection, type ConnectionOptions, connect } from '../../../lambda/s3/connection.ts';
import { DEFAULT_SETTINGS } from '../../../lambda/settings/settings.ts';
import '../../support/credentials.ts';

/** What a server does: sends bytes, ends the connection (by FIN, or by RST), or goes on to the next request. */
export type Step = Buffer | 'end' | 'reset';

/** A request as it came. */
export interface Came {
  /** From 1. */
  request: number;
  /** The number of the connection, from 1. */
  connection: number;
  /** The number of the request on its connection, from 1. */
  onConnection: number;
  /** True of a request through the SDK. */
  bySdk: boolean;
  head: string;
}

/** A response as S3 sends it. */
export function response(body: Buffer | string, headers = '', status = '200 OK'): Buffer {
  const bytes = Buffer.from(body);
  const head = `HTTP/1.1 ${status}\r\nETag: "e"\r\n${headers}Content-Length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes]);
}

/**
 * A server over plain TCP that answers each request with the steps of a script.
 *
 * @param when called with the response to each request, which goes out when it is called in turn
 */
export async function scriptedServer(
  script: (came: Came) => Step[],
  when: (play: () => void) => void = (play) => {
    play();
  },
) {
  const server = createServer({ noDelay: true });
  const sockets = new Set<Socket>();
  const came: Came[] = [];
  let connections = 0;
  server.on('connection', (socket) => {
    const connection = ++connections;
    let onConnection = 0;
    let text = '';
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end);
        text = text.slice(end + 4);
        const bySdk = head.includes('amz-sdk-invocation-id');
        const request = { request: came.length + 1, connection, onConnection: ++onConnection, bySdk, head };
        came.push(request);
        const steps = script(request);
        const isHead = head.startsWith('HEAD');
        when(() => {
          play(socket, isHead ? steps.map(headOf) : steps);
        });
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpointUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clients: Connection[] = [];
  return {
    endpointUrl,
    came,
    sockets,
    connections: () => connections,
    connect: (options: Partial<ConnectionOptions> = {}): Connection => {
      const settings = { ...DEFAULT_SETTINGS, retryOutageSeconds: 0 };
      const client = connect({ settings, endpointUrl, region: 'us-east-1', ...options });
      clients.push(client);
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Each piece is written once the one before has left, so that the client may read them one by one. */
function play(socket: Socket, [step, ...rest]: Step[]): void {
  if (step === undefined || socket.destroyed) return;
  if (step === 'reset') socket.resetAndDestroy();
  else if (step === 'end') socket.end();
  else {
    socket.write(step, () => {
      setImmediate(play, socket, rest);
    });
  }
}

/** A response without its body. */
function headOf(step: Step): Step {
  return Buffer.isBuffer(step) ? step.subarray(0, step.indexOf('\r\n\r\n') + 4) : step;
}
