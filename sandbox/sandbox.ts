import type { Fault, Hook, SandboxRequest } from './faults.ts';
import { Gauges, type Stats } from './gauges.ts';
import { openFolderTable } from './journal.ts';
import { memoryContent } from './storage/memory-content.ts';
import type { Operation } from './http/route.ts';
import { createCertificate, listen } from './http/server.ts';
import { serve } from './service.ts';
import type { Credentials } from './http/sigv4.ts';
import { ObjectTable } from './storage/object-table.ts';
import { directAccess, type DirectAccess } from './direct-access.ts';

export type { Fault, Hook, Operation, SandboxRequest, Stats };

export interface SandboxOptions {
  /** Serves HTTPS, with a new certificate. @defaultValue false */
  tls?: boolean;
  /** Folder in which everything is kept across restarts. Without one, it is in memory. */
  folder?: string;
  /** Port; 0 takes any free one. @defaultValue 0 */
  port?: number;
  /** Buckets that are created at the start, if they do not exist. */
  buckets?: string[];
  /** Credentials that requests must be signed with (SigV4). Without them, every request is accepted. */
  credentials?: Credentials | readonly Credentials[];
  hook?: Hook;
  /** Clock for LastModified and the Date header. */
  now?: () => Date;
}

/** A running local S3 on 127.0.0.1. */
export interface Sandbox extends DirectAccess {
  endpoint: string;
  /** Certificate authority as PEM, with TLS. */
  ca?: string;
  hook: Hook | undefined;
  /**
   * Requests in the order of arrival since the start or the last clearRequests(), but only the latest 10,000 to 20,000.
   */
  requests: SandboxRequest[];
  clearRequests(): void;
  /** Connections and requests as the server sees them. */
  stats(): Stats;
  resetPeaks(): void;
  /** Closes the server and all open connections. */
  close(): Promise<void>;
}

const MOST_LOGGED = 20_000;

/** Starts a local S3 on 127.0.0.1. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const now = options.now ?? (() => new Date());
  const folder = options.folder === undefined ? undefined : openFolderTable(options.folder);
  const table = folder?.table ?? new ObjectTable(memoryContent);
  for (const bucket of options.buckets ?? []) {
    if (!table.buckets.has(bucket)) table.commit({ type: 'bucket-created', bucket, at: now().getTime() });
  }
  const gauges = new Gauges();
  const certificate = options.tls ? await createCertificate() : undefined;
  const listener = await listen(options.port ?? 0, certificate, gauges);
  let lastId = 0;

  const sandbox: Sandbox = {
    ...directAccess(table, now),
    endpoint: `${certificate ? 'https' : 'http'}://127.0.0.1:${listener.port}`,
    ...(certificate && { ca: certificate.cert }),
    hook: options.hook,
    requests: [],
    clearRequests: () => {
      sandbox.requests = [];
      gauges.requests = 0;
    },
    stats: () => gauges.stats(),
    resetPeaks: () => {
      gauges.resetPeaks();
    },
    close: async () => {
      await listener.close();
      folder?.close();
    },
  };
  const context = {
    table,
    gauges,
    credentials: options.credentials && [options.credentials].flat(),
    now,
    hook: () => sandbox.hook,
    log: (request: Omit<SandboxRequest, 'id'>) => {
      if (sandbox.requests.length >= MOST_LOGGED) sandbox.requests.splice(0, MOST_LOGGED / 2);
      const logged = { id: ++lastId, ...request };
      sandbox.requests.push(logged);
      return logged;
    },
    rawSocket: listener.rawSocket,
  };
  listener.server.on('request', (request, response) => {
    serve(context, request, response).catch((error: unknown) => {
      // The response has begun: the client can only be cut off.
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  return sandbox;
}
