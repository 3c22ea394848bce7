import { once } from 'node:events';
import { request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';

export interface RawReply {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** The code of S3's XML error. */
  code: string | undefined;
}

/** Sends one HTTP request without an SDK. Its path is sent unchanged. */
export async function send(
  endpoint: string,
  method: string,
  path: string,
  { headers = {}, body }: { headers?: OutgoingHttpHeaders; body?: Buffer | string } = {},
): Promise<RawReply> {
  const { hostname, port } = new URL(endpoint);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const code = /<Code>(\w+)<\/Code>/.exec(bytes.toString())?.[1];
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes, code });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Sends bytes over a socket and ends it. Returns all bytes that came back. */
export async function sendBytes(endpoint: string, bytes: Buffer | string): Promise<string> {
  const socket = connect(Number(new URL(endpoint).port), '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.end(bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
}
