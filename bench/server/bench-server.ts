import { combineCrc32 } from '../../lambda/rollup/index.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCRC64 } from 'hash-wasm';
import type { Checksum } from '../../sandbox/checksums.ts';
import { Gauges } from '../../sandbox/gauges.ts';
import { createCertificate, listen } from '../../sandbox/http/server.ts';
import type { Operation } from '../../sandbox/http/route.ts';
import { ObjectTable } from '../../sandbox/storage/object-table.ts';
import { startRelay } from '../network/relay.ts';
import { type Shape, drawLatencies, latencyOf } from '../network/shape.ts';
import { say } from '../report/say.ts';
import { type DataSetOptions, type RawObject, rawObjects } from './data-set.ts';
import { DigestedContent } from './digested-content.ts';
import { serveFast } from './fast-service.ts';

export const BUCKET = 'application-logs';
export const RAW_PREFIX = 'raw/checkout/20261121/08/';
export const OUTPUT_PREFIX = 'aggregated/checkout/20261121/08/';

const CLOSING_MS = 5;
/** Of the latencies. */
const SEED = 1;

/** Length and CRC-32 of bytes in key order. */
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

/** Requests and connections since the last reset, and the server's own CPU time. */
export interface Seen {
  outputs: Stream;
  requests: number;
  peakConnections: number;
  cpuSeconds: number;
}

/**
 * Serves the sandbox's operations over TLS. Raw objects are views of one buffer, and of outputs only digests are kept.
 *
 * @param shape the network and the latencies to imitate
 */
export async function startBenchServer(options: DataSetOptions, shape?: Shape) {
  const content = new DigestedContent();
  const table = new ObjectTable(content);
  table.commit({ type: 'bucket-created', bucket: BUCKET, at: Date.now() });
  const raw = await fill(table, options);

  const gauges = new Gauges();
  const draw = drawLatencies(SEED);
  const latency = shape && ((operation: Operation) => draw(latencyOf(shape, operation)));
  const certificate = await createCertificate();
  const listener = await listen(0, certificate, gauges);
  listener.server.on('request', (request, response) => {
    serveFast({ table, gauges, latency }, request, response).catch((error: unknown) => {
      say(`the server failed at ${request.method} ${request.url}: ${String(error)}`);
      response.destroy(error instanceof Error ? error : undefined);
    });
  });

  const port = shape === undefined ? listener.port : await startRelay(listener.port, shape);
  const outputKeys = (): string[] =>
    table
      .bucket(BUCKET)
      .keys.all()
      .filter((key) => key.startsWith(OUTPUT_PREFIX));
  let cpu = process.cpuUsage();
  const started: Started = { endpoint: `https://127.0.0.1:${port}`, ca: certificate.cert, raw };
  return {
    started,
    /** Deletes all outputs and resets all counts. */
    async reset(): Promise<void> {
      // The last client has ended; the next one should be counted alone.
      while (gauges.stats().connections > 0) await sleep(CLOSING_MS);
      for (const key of outputKeys()) table.commit({ type: 'object-deleted', bucket: BUCKET, key });
      gauges.requests = 0;
      gauges.resetPeaks();
      cpu = process.cpuUsage();
    },
    seen(): Seen {
      const { user, system } = process.cpuUsage(cpu);
      const outputs: Stream = { objects: 0, bytes: 0, crc32: 0 };
      for (const key of outputKeys()) {
        // Names that begin with an underscore are no data, as for Athena, Hive and Spark.
        if (key.startsWith('_', OUTPUT_PREFIX.length)) continue;
        outputs.objects++;
        Object.assign(outputs, content.append(outputs, table.object(BUCKET, key).content));
      }
      const { requests, peakConnections } = gauges.stats();
      return { outputs, requests, peakConnections, cpuSeconds: (user + system) / 1e6 };
    },
  };
}

async function fill(table: ObjectTable, options: DataSetOptions): Promise<Stream> {
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
    table.commit({ type: 'object-put', bucket: BUCKET, object: stored });
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
