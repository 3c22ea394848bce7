import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { generate } from 'selfsigned';
import type { Gauges } from '../gauges.ts';
import { incomplete } from './receive-body.ts';
import { formatError } from './s3-error.ts';

export interface Certificate {
  key: string;
  cert: string;
}

/** A new self-signed certificate for 127.0.0.1 and localhost. */
export async function createCertificate(): Promise<Certificate> {
  const pems = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 7, ip: '127.0.0.1' },
          { type: 2, value: 'localhost' },
        ],
      },
    ],
  });
  return { key: pems.private, cert: pems.cert };
}

export interface Listener {
  server: Server;
  port: number;
  /** The TCP socket under a request's socket; without TLS, the same socket. */
  rawSocket: (socket: Socket) => Socket;
  close: () => Promise<void>;
}

export async function listen(
  port: number,
  certificate: Certificate | undefined,
  gauges: Gauges,
): Promise<Listener> {
  const server = certificate ? createHttpsServer(certificate) : createHttpServer();
  // No timeouts: clients keep their connections, and a test that holds a request decides for how long.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  const sockets = new Map<number, Socket>();
  server.on('connection', (socket: Socket) => {
    const disconnected = gauges.connected();
    const { remotePort = 0 } = socket;
    sockets.set(remotePort, socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (sockets.get(remotePort) === socket) sockets.delete(remotePort);
      disconnected();
    });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    socket.end(formatClientError(error), () => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    server,
    port: (server.address() as AddressInfo).port,
    rawSocket: (socket) => sockets.get(socket.remotePort ?? 0) ?? socket,
    close: async () => {
      const stopped = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets.values()) socket.destroy();
      await stopped;
    },
  };
}

/**
 * The answer on a connection whose input Node's parser refused. Only for a body that ends early S3 has an error of its
 * own.
 */
function formatClientError({ code = '', message }: NodeJS.ErrnoException): Buffer {
  const body =
    code === 'HPE_INVALID_EOF_STATE'
      ? formatError({ code: 'IncompleteBody', message: incomplete().message, resource: '', requestId: '' })
      : formatError({ code: 'BadRequest', message, resource: '', requestId: '' });
  const head = `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/xml\r\nContent-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}
