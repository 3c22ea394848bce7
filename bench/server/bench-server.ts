import { combineCrc32 } from '../../lambda/rollup/index.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCRC64 } from 'hash-wasm';
import type { Checksum } from '../../sandbox/checksums.ts';
import { Gauges } from '../../sandbox/gauges.ts';
import { createCertificate, listen } from '../../sandbox/http/server.ts';
import { Store } from '../../sandbox/storage/store.ts';
import { say } from '../report/say.ts';
import { type DataSetOptions, type RawObject, rawObjects } from './data-set.ts';
import { DigestedContent } from './digested-content.ts';
import { serveFast } from './fast-service.ts';

export const BUCKET = 'application-logs';
export const RAW_PREFIX = 'raw/checkout/20261121/08/';
export const OUTPUT_PREFIX = 'aggregated/checkout/20261121/08/';

const CLOSING_MS = 5;

/** Bytes in key order, by their length and CRC-32. */
export interface Stream {
  objects: number;
  bytes: number;
  crc32: number;
}

export interface Started {
  endpoint: string;
  /** PEM. */
  ca: string;
  raw: Stream;
}

/** What the server saw since the last reset, and used itself. */
export interface Seen {
  outputs: Stream;
  requests: number;
  peakConnections: number;
  cpuSeconds: number;
}

/** The sandbox's operations over TLS, its raw objects views of one buffer and its outputs digested. */
export async function startBenchServer(options: DataSetOptions) {
  const content = new DigestedContent();
  const store = new Store(content);
  store.commit({ type: 'bucket-created', bucket: BUCKET, at: Date.now() });
  const raw = await fill(store, options);

  const gauges = new Gauges();
  const certificate = await createCertificate();
  const listener = await listen(0, certificate, gauges);
  listener.server.on('request', (request, response) => {
    serveFast({ store, gauges }, request, response).catch((error: unknown) => {
      say(`the server failed at ${request.method} ${request.url}: ${String(error)}`);
      response.destroy(error instanceof Error ? error : undefined);
    });
  });

  const outputKeys = (): string[] =>
    store
      .bucket(BUCKET)
      .keys.all()
      .filter((key) => key.startsWith(OUTPUT_PREFIX));
  let cpu = process.cpuUsage();
  const started: Started = { endpoint: `https://127.0.0.1:${listener.port}`, ca: certificate.cert, raw };
  return {
    started,
    /** Deletes all outputs and counts afresh. */
    async reset(): Promise<void> {
      // Whoever was measured last has ended, and whoever comes is to be counted alone.
      while (gauges.stats().connections > 0) await sleep(CLOSING_MS);
      for (const key of outputKeys()) store.commit({ type: 'object-deleted', bucket: BUCKET, key });
      gauges.requests = 0;
      gauges.resetPeaks();
      cpu = process.cpuUsage();
    },
    seen(): Seen {
      const { user, system } = process.cpuUsage(cpu);
      const outputs: Stream = { objects: 0, bytes: 0, crc32: 0 };
      for (const key of outputKeys()) {
        // As Athena, Hive and Spark have it, what begins with an underscore is no data.
        if (key.startsWith('_', OUTPUT_PREFIX.length)) continue;
        outputs.objects++;
        Object.assign(outputs, content.append(outputs, store.object(BUCKET, key).content));
      }
      const { requests, peakConnections } = gauges.stats();
      return { outputs, requests, peakConnections, cpuSeconds: (user + system) / 1e6 };
    },
  };
}

async function fill(store: Store, options: DataSetOptions): Promise<Stream> {
  const raw: Stream = { objects: 0, bytes: 0, crc32: 0 };
  const lastModified = Math.floor(Date.now() / 1000) * 1000;
  const checksumOf = await checksums(options);
  for (const object of rawObjects(options, RAW_PREFIX)) {
    const { key, bytes, etag } = object;
    raw.objects++;
    raw.bytes += bytes.length;
    raw.crc32 = combineCrc32(raw.crc32, object.crc32, bytes.length);
    const attributes = { storageClass: 'STANDARD', headers: { 'content-type': 'text/plain' }, tags: {} };
    const checksum: Checksum = { ...checksumOf(object), type: 'FULL_OBJECT' };
    const stored = {
      key,
      size: bytes.length,
      etag,
      lastModified,
      content: [{ bytes }],
      attributes,
      checksum,
    };
    store.commit({ type: 'object-put', bucket: BUCKET, object: stored });
  }
  return raw;
}

async function checksums({
  checksum,
}: DataSetOptions): Promise<(object: RawObject) => Pick<Checksum, 'algorithm' | 'value'>> {
  if (checksum === 'crc32') {
    return ({ crc32: crc }) => {
      const value = Buffer.alloc(4);
      value.writeUInt32BE(crc);
      return { algorithm: 'CRC32', value: value.toString('base64') };
    };
  }
  // The reflected polynomial of CRC-64/NVME.
  const crc64 = await createCRC64('9a6c9329ac4bc9b5');
  return ({ bytes }) => {
    const hex = crc64.init().update(bytes).digest();
    return { algorithm: 'CRC64NVME', value: Buffer.from(hex, 'hex').toString('base64') };
  };
}
