import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REGION } from '../../sandbox/operations/buckets.ts';
import type { Shape } from '../network/shape.ts';
import { Worker } from '../process/worker.ts';
import type { Seen, Started, Stream } from './bench-server.ts';
import type { DataSetOptions } from './data-set.ts';
import type { ServerOrder } from './server-process.ts';

/** The server, in a process of its own. */
export interface RemoteServer {
  raw: Stream;
  /** Environment variables for a client: endpoint, certificate authority, credentials. */
  environment: Record<string, string>;
  /** Deletes all outputs and resets all counts. */
  reset(): Promise<void>;
  seen(): Promise<Seen>;
  close(): Promise<void>;
}

/** @param shape the network and the latencies to imitate; by default this machine's own */
export async function startRemoteServer(dataSet: DataSetOptions, shape?: Shape): Promise<RemoteServer> {
  const worker = new Worker<ServerOrder>(join(import.meta.dirname, 'server-process.ts'));
  const folder = mkdtempSync(join(tmpdir(), 's3-log-rollup-bench-'));
  const close = async (): Promise<void> => {
    await worker.end();
    rmSync(folder, { recursive: true });
  };
  try {
    const { endpoint, ca, raw } = await worker.ask<Started>({ type: 'start', dataSet, shape });
    const caFile = join(folder, 'ca.pem');
    writeFileSync(caFile, ca);
    return {
      raw,
      environment: {
        AWS_ENDPOINT_URL: endpoint,
        AWS_REGION: REGION,
        AWS_ACCESS_KEY_ID: 'bench',
        AWS_SECRET_ACCESS_KEY: 'bench',
        NODE_EXTRA_CA_CERTS: caFile,
      },
      reset: () => worker.ask({ type: 'reset' }),
      seen: () => worker.ask({ type: 'seen' }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
