import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import type { RawObject } from './raw-logs.ts';

const CONNECTIONS = 16;

/** A bucket of the sandbox over bare HTTP: nothing of what is being shown is used to prepare or to check it. */
export class Bucket {
  readonly #root: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

  constructor(endpoint: string, bucket: string) {
    this.#root = `${endpoint}/${bucket}/`;
  }

  /** Writes all of them, several at once, and says what it came to. The checksum is that of their bodies in order. */
  async putAll(objects: Iterable<RawObject>): Promise<{ objects: number; bytes: number; crc32: number }> {
    const total = { objects: 0, bytes: 0, crc32: 0 };
    const source = objects[Symbol.iterator]();
    const putNext = async (): Promise<void> => {
      for (let next = source.next(); next.done !== true; next = source.next()) {
        const { key, body } = next.value;
        total.objects++;
        total.bytes += body.length;
        total.crc32 = crc32(body, total.crc32);
        (await this.#send('PUT', key, body)).resume();
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, putNext));
    return total;
  }

  async get(key: string): Promise<Buffer> {
    return buffer(await this.#send('GET', key));
  }

  /** Of the objects' bytes, joined in this order. */
  async crc32(keys: string[]): Promise<number> {
    let crc = 0;
    for (const key of keys) {
      for await (const chunk of await this.#send('GET', key)) crc = crc32(chunk as Buffer, crc);
    }
    return crc;
  }

  /** Ends its connections; the next request opens new ones. */
  disconnect(): void {
    this.#agent.destroy();
  }

  #send(method: string, key: string, body?: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request(this.#root + key, { method, agent: this.#agent }, (response) => {
        if (response.statusCode === 200) resolve(response);
        else reject(new Error(`${method} ${key}: the sandbox answered ${String(response.statusCode)}.`));
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }
}
