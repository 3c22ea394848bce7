import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, type TLSSocket, connect } from 'node:tls';
import type { OnReadOpts } from 'node:net';
import { crc32 } from 'node:zlib';
import pLimit from 'p-limit';
import { groupsOf, listAll, outputName, type Job, type Listed } from './variant.ts';

/** Bytes of one write. */
const SLICE = 64 * 1024;
/** What has just arrived on any connection. */
const RECEIVED = Buffer.allocUnsafeSlow(64 * 1024);

const END_OF_HEAD = '\r\n\r\n';

/**
 * The least that Node's TLS needs: GETs over `node:tls` into a buffer, the CRC-32 of every body, and one PUT of the buffer;
 * unsigned, without retries or a manifest, and with no more of HTTP than the benchmark's own server needs.
 */
export async function floor({ bucket, source, destination, settings }: Job): Promise<void> {
  const endpoint = new URL(process.env['AWS_ENDPOINT_URL'] ?? '');
  const idle = { GET: [] as Connection[], PUT: [] as Connection[] };
  const all: Connection[] = [];
  const downloads = pLimit(settings.concurrency);
  const begun = pLimit(settings.outputsInFlight);
  const buffers: Buffer[] = [];

  async function over(method: 'GET' | 'PUT', use: (connection: Connection) => Promise<void>): Promise<void> {
    let connection = idle[method].pop();
    if (connection === undefined) {
      connection = new Connection(endpoint);
      all.push(connection);
    }
    await use(connection);
    idle[method].push(connection);
  }

  await Promise.all(
    groupsOf(await list(endpoint, bucket, source), settings.targetSize).map((group, index) =>
      begun(async () => {
        const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(settings.targetSize + 1024 * 1024);
        let size = 0;
        await Promise.all(
          group.map((object) => {
            const place = buffer.subarray(size, (size += object.size));
            return downloads(() =>
              over('GET', async (connection) => {
                await connection.get(`/${bucket}/${object.key}`, place);
                crc32(place);
              }),
            );
          }),
        );
        const path = `/${bucket}/${destination}${outputName(index)}`;
        await over('PUT', (connection) => connection.put(path, buffer.subarray(0, size)));
        buffers.push(buffer);
      }),
    ),
  );
  for (const connection of all) connection.end();
}

/** Lists over Node's own client: a handful of requests. */
async function list({ hostname, port }: URL, bucket: string, source: string): Promise<Listed[]> {
  const agent = new Agent({ keepAlive: true });
  const listed = await listAll(source, (query) => {
    return new Promise((resolve, reject) => {
      request({ agent, hostname, port, path: `/${bucket}${query}` }, (response) => {
        text(response).then(resolve, reject);
      })
        .once('error', reject)
        .end();
    });
  });
  agent.destroy();
  return listed;
}

/** A connection that sends one request after another. */
class Connection {
  readonly #socket: TLSSocket;
  readonly #host: string;
  #head = '';
  /** Bytes of the body that are still to come; undefined within the head. */
  #left: number | undefined;
  #into: Buffer = Buffer.alloc(0);
  #done: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor({ hostname, port, host }: URL) {
    this.#host = host;
    const onread: OnReadOpts = {
      buffer: RECEIVED,
      callback: (length) => {
        this.#take(length);
        return true;
      },
    };
    const extra = process.env['NODE_EXTRA_CA_CERTS'];
    const options: ConnectionOptions & { onread: OnReadOpts } = {
      host: hostname,
      port: Number(port),
      onread,
      ...(extra === undefined ? {} : { ca: readFileSync(extra) }),
    };
    this.#socket = connect(options);
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error) => {
      this.#done.reject(error);
    });
  }

  get(path: string, into: Buffer): Promise<void> {
    this.#into = into;
    return this.#send(`GET ${path} HTTP/1.1\r\nHost: ${this.#host}${END_OF_HEAD}`);
  }

  put(path: string, body: Buffer): Promise<void> {
    this.#into = Buffer.alloc(0);
    const head = `PUT ${path} HTTP/1.1\r\nHost: ${this.#host}\r\nContent-Length: ${body.length}${END_OF_HEAD}`;
    const done = this.#send(head);
    let at = 0;
    const writeOn = (): void => {
      while (at < body.length) {
        const slice = body.subarray(at, at + SLICE);
        at += slice.length;
        if (this.#socket.write(slice)) continue;
        this.#socket.once('drain', writeOn);
        return;
      }
    };
    writeOn();
    return done;
  }

  end(): void {
    this.#socket.destroy();
  }

  #send(head: string): Promise<void> {
    this.#head = '';
    this.#left = undefined;
    this.#done = Promise.withResolvers();
    this.#socket.write(head, 'latin1');
    return this.#done.promise;
  }

  #take(length: number): void {
    let from = 0;
    if (this.#left === undefined) {
      const before = this.#head.length;
      this.#head += RECEIVED.toString('latin1', 0, length);
      const end = this.#head.indexOf(END_OF_HEAD);
      if (end === -1) return;
      if (!this.#head.startsWith('HTTP/1.1 200')) this.#done.reject(new Error(this.#head));
      this.#left = Number(/content-length: (\d+)/i.exec(this.#head)?.[1] ?? 0);
      from = end + END_OF_HEAD.length - before;
    }
    const { length: size } = this.#into;
    if (size > 0) RECEIVED.copy(this.#into, size - this.#left, from, length);
    this.#left -= length - from;
    if (this.#left === 0) this.#done.resolve();
  }
}
