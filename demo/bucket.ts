import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import type { RawObject } from './raw-logs.ts';

const CONNECTIONS = 16;

/**
 * A bucket of the sandbox over plain HTTP, so that the demo prepares and checks data without the code that it shows.
 */
export class Bucket {
  readonly #root: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

  constructor(endpoint: string, bucket: string) {
    this.#root = `${endpoint}/${bucket}/`;
  }

  /**
   * Writes objects, several at once. Returns their number, their bytes and the CRC-32 of their bodies in this order.
   */
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

  /** The CRC-32 of the objects' bytes, joined in this order. */
  async crc32(keys: string[]): Promise<number> {
    let crc = 0;
    for (const key of keys) {
      for await (const chunk of await this.#send('GET', key)) crc = crc32(chunk as Buffer, crc);
    }
    return crc;
  }

  /** Closes all connections; the next request opens new ones. */
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
