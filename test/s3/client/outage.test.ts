import '../../support/credentials.ts';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CompleteMultipartUploadCommand } from '@aws-sdk/client-s3';
import { planRun } from '../../../lambda/plan.ts';
import { PacedRetryStrategy } from '../../../lambda/s3/client/retry.ts';
import { type ConnectionOptions, connect } from '../../../lambda/s3/connection.ts';
import { DEFAULT_SETTINGS } from '../../../lambda/settings/settings.ts';
import { MiB } from '../../../lambda/size.ts';
import type { Fault, SandboxRequest } from '../../../sandbox/sandbox.ts';
import {
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  SOURCE,
  failureOf,
  logLines,
  openTestBucket,
} from '../../support/test-bucket.ts';

const RESET: Fault = { kind: 'reset' };
const STARTING: Fault = { kind: 'error', status: 503, code: 'XMinioServerNotInitialized' };

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a store that goes away and comes back', () => {
  // Waits are a random part of a delay: here a small one.
  beforeEach(() => {
    vi.spyOn(Math, 'random').mockReturnValue(0.2);
  });

  it.each([
    ['refuses connections', RESET],
    ['says that it is starting', STARTING],
  ])('and %s for longer than five attempts: the run ends committed', async (_, fault) => {
    await using bucket = await openTestBucket();
    bucket.putHour(5);
    let away = 0;
    bucket.sandbox.hook = ({ key }) => (key === MANIFEST_KEY && ++away > 1 && away < 8 ? fault : undefined);
    expect(await bucket.roll()).toMatchObject({ status: 'committed' });
    expect(away).toBeGreaterThan(7);
    await bucket.expectSound();
  });

  it('ends the run once it is away for longer than retryOutageSeconds', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(5);
    const connection = bucket.connect({ retryOutageSeconds: 1 });
    let away = false;
    bucket.sandbox.hook = ({ key = '' }) => {
      away ||= key.endsWith('.log');
      return away ? RESET : undefined;
    };
    expect(await failureOf(bucket.roll({ connection }))).toMatchObject({ code: 'EndpointUnreachable' });
  });

  it('that has never answered is given up after five attempts', async () => {
    await using bucket = await openTestBucket();
    const connection = bucket.connect();
    let met = 0;
    bucket.sandbox.hook = () => {
      met++;
      return RESET;
    };
    expect(await failureOf(bucket.roll({ connection }))).toMatchObject({ code: 'EndpointUnreachable' });
    expect(met).toBe(5);
  });
});

describe('a run that is stopped while the store is away', () => {
  it.each<[string, (asked: SandboxRequest) => boolean]>([
    ['reads the manifest', ({ operation, key }) => operation === 'GetObject' && key === MANIFEST_KEY],
    ['lists', ({ operation }) => operation === 'ListObjectsV2'],
    ['downloads', ({ operation, key = '' }) => operation === 'GetObject' && key.endsWith('.log')],
    ['begins an upload', ({ operation }) => operation === 'CreateMultipartUpload'],
    ['sends a part', ({ operation }) => operation === 'UploadPart'],
    ['completes an upload', ({ operation }) => operation === 'CompleteMultipartUpload'],
    ['lists uploads', ({ operation }) => operation === 'ListMultipartUploads'],
    ['tries the store out', ({ key = '' }) => key.includes('_delete-proof-')],
    ['writes the index', ({ operation, key = '' }) => operation === 'PutObject' && key.includes('_sources-')],
    ['writes the manifest', ({ operation, key }) => operation === 'PutObject' && key === MANIFEST_KEY],
    ['deletes what was replaced', ({ operation }) => operation === 'DeleteObjects'],
  ])('ends without waiting for it: when it %s', async (what, isThere) => {
    await using bucket = await openTestBucket({ targetSize: 6 * MiB });
    for (const name of ['a', 'b', 'c']) bucket.put(`${name}.log`, logLines(4 * MiB));
    await bucket.roll();
    bucket.put('b.log', logLines(5 * MiB));
    // Longer than a test may take.
    const connection = bucket.connect({ retryOutageSeconds: 600 });
    if (what !== 'tries the store out') await connection.store.keepsConditions(DESTINATION);
    const stop = new AbortController();
    let refused = 0;
    bucket.sandbox.hook = (request) => {
      if (refused === 0 && !isThere(request)) return undefined;
      if (++refused === 3) stop.abort();
      return RESET;
    };
    expect(await failureOf(bucket.roll({ connection, signal: stop.signal }))).toMatchObject({
      code: 'Aborted',
    });
    bucket.sandbox.hook = undefined;
    const { status } = await bucket.roll();
    expect(['committed', 'unchanged']).toContain(status);
    await bucket.expectSound({ leftovers: bucket.leftovers() });
  });

  it('ends without waiting for it: when it plans, and lists uploads', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(2);
    const connection = bucket.connect({ retryOutageSeconds: 600 });
    const stop = new AbortController();
    let refused = 0;
    bucket.sandbox.hook = ({ operation }) => {
      if (operation !== 'ListMultipartUploads') return undefined;
      if (++refused === 3) stop.abort();
      return RESET;
    };
    const request = { source: SOURCE, destination: DESTINATION };
    const options = { settings: bucket.settings, signal: stop.signal, report: () => undefined };
    expect(await failureOf(planRun(request, connection, options))).toMatchObject({ code: 'Aborted' });
  });

  it('ends without waiting for it: when it looks for an object', async () => {
    await using bucket = await openTestBucket();
    const { store } = bucket.connect({ retryOutageSeconds: 600 });
    await store.head({ bucket: BUCKET, key: 'none' });
    const stop = new AbortController();
    let refused = 0;
    bucket.sandbox.hook = () => {
      if (++refused === 3) stop.abort();
      return RESET;
    };
    const head = store.until(stop.signal).head({ bucket: BUCKET, key: 'none' });
    expect(await failureOf(head)).toMatchObject({ code: 'Aborted' });
  });
});

/** A server that answers every request, and resets those on connections from before `forget`. */
async function forgetfulServer(options: Partial<ConnectionOptions> = {}) {
  const sockets = new Set<Socket>();
  let dead = new WeakSet<Socket>();
  let requests = 0;
  let connections = 0;
  const server = createServer((request, response) => {
    requests++;
    if (dead.has(request.socket)) request.socket.resetAndDestroy();
    // So that requests at once do not share a connection.
    else setTimeout(() => response.writeHead(200, { 'content-length': '5', etag: '"e"' }).end(), 20);
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket) => {
    connections++;
    sockets.add(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const settings = { ...DEFAULT_SETTINGS, retryOutageSeconds: 0 };
  const connection = connect({ settings, endpointUrl: `http://127.0.0.1:${port}`, ...options });
  return {
    head: () => connection.store.head({ bucket: BUCKET, key: 'a' }),
    forget: () => {
      dead = new WeakSet(sockets);
      requests = 0;
      connections = 0;
    },
    counts: () => ({ requests, connections }),
    [Symbol.asyncDispose]: async () => {
      connection.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('kept connections', () => {
  it('that were all dropped cost one attempt, not one each', async () => {
    await using server = await forgetfulServer();
    await Promise.all(Array.from({ length: 12 }, () => server.head()));
    server.forget();
    expect(await server.head()).toMatchObject({ size: 5 });
    expect(server.counts()).toEqual({ requests: 2, connections: 1 });
  });

  it('that were idle for long by the clock, as in a function that was frozen, are not used again', async () => {
    await using server = await forgetfulServer();
    await Promise.all(Array.from({ length: 12 }, () => server.head()));
    server.forget();
    const now = Date.now();
    vi.spyOn(Date, 'now').mockImplementation(() => now + 30_000);
    await server.head();
    expect(server.counts()).toEqual({ requests: 1, connections: 1 });
  });
});

it('SlowDown is waited for by time, as many attempts as that takes', async () => {
  const strategy = new PacedRetryStrategy({ retries: 1_500, outage: 0 });
  vi.spyOn(strategy, 'turn').mockImplementation(() => Promise.resolve());
  vi.spyOn(Math, 'random').mockImplementation(() => 0.01);
  let token = await strategy.acquireInitialRetryToken();
  const began = performance.now();
  for (;;) {
    try {
      token = await strategy.refreshRetryTokenForRetry(token, { errorType: 'THROTTLING' });
    } catch {
      break;
    }
  }
  expect(performance.now() - began).toBeGreaterThan(1_400);
  // Nine attempts were the end before, however little time they took.
  expect(token.getRetryCount()).toBeGreaterThan(8);
});

describe('waits for an answer', () => {
  it('are longer for listings, deletes and uploads than for what S3 answers at once', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(3);
    const connection = bucket.connect({}, { timeouts: { headers: 200, retries: 0 } });
    const delayed = new Set<string>();
    bucket.sandbox.hook = ({ operation }) => {
      if (!/^List|^Put|DeleteObjects/.test(operation) || delayed.has(operation)) return undefined;
      delayed.add(operation);
      return { kind: 'delay', ms: 500 };
    };
    expect(await bucket.roll({ connection, deleteSource: true })).toMatchObject({
      status: 'committed',
      deleted: { objects: 3 },
    });
  });

  it('last through the white space that S3 sends while it completes an upload', async () => {
    const server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/xml' });
      response.write(' ');
      setTimeout(() => {
        response.end('<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>');
      }, 500);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const connection = connect({
      settings: DEFAULT_SETTINGS,
      endpointUrl: `http://127.0.0.1:${port}`,
      timeouts: { bodyIdle: 100, retries: 0 },
    });
    try {
      const command = new CompleteMultipartUploadCommand({ Bucket: BUCKET, Key: 'a', UploadId: 'u' });
      expect(await connection.client.send(command, { requestTimeout: 60_000 })).toMatchObject({
        ETag: '"e"',
      });
    } finally {
      connection.close();
      server.closeAllConnections();
      server.close();
    }
  });
});
