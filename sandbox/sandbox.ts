import type { Fault, Hook, SandboxRequest } from './faults.ts';
import { Gauges, type Stats } from './gauges.ts';
import { openFolderStore } from './journal.ts';
import { memoryContent } from './storage/memory-content.ts';
import type { Operation } from './http/route.ts';
import { createCertificate, listen } from './http/server.ts';
import { serve } from './service.ts';
import type { Credentials } from './http/sigv4.ts';
import { Store } from './storage/store.ts';
import { directAccess, type DirectAccess } from './direct-access.ts';

export type { Fault, Hook, Operation, SandboxRequest, Stats };

export interface SandboxOptions {
  /** HTTPS with a certificate made at start. */
  tls?: boolean;
  /** Keep everything in this folder, across restarts. In memory otherwise. */
  folder?: string;
  /** 0, the default, takes any that is free. */
  port?: number;
  /** Created at start, where they are not there yet. */
  buckets?: string[];
  /** When given, every request's SigV4 signature has to be one of theirs; otherwise anything is accepted. */
  credentials?: Credentials | readonly Credentials[];
  hook?: Hook;
  /** The clock of LastModified and the Date header. */
  now?: () => Date;
}

/** A local S3 on 127.0.0.1. */
export interface Sandbox extends DirectAccess {
  endpoint: string;
  /** PEM, with TLS. */
  ca?: string;
  hook: Hook | undefined;
  /** In the order of arrival, since the start or the last clearRequests(); the latest tens of thousands. */
  requests: SandboxRequest[];
  clearRequests(): void;
  /** Measured on the server's side. */
  stats(): Stats;
  resetPeaks(): void;
  /** Ends everything, open connections too. */
  close(): Promise<void>;
}

const MOST_LOGGED = 20_000;

export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const now = options.now ?? (() => new Date());
  const folder = options.folder === undefined ? undefined : openFolderStore(options.folder);
  const store = folder?.store ?? new Store(memoryContent);
  for (const bucket of options.buckets ?? []) {
    if (!store.buckets.has(bucket)) store.commit({ type: 'bucket-created', bucket, at: now().getTime() });
  }
  const gauges = new Gauges();
  const certificate = options.tls ? await createCertificate() : undefined;
  const listener = await listen(options.port ?? 0, certificate, gauges);
  let lastId = 0;

  const sandbox: Sandbox = {
    ...directAccess(store, now),
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
  const host = {
    store,
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
    serve(host, request, response).catch((error: unknown) => {
      // Nothing can be said to this client any more.
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  return sandbox;
}
