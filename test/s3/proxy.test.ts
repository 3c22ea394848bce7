import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, type Socket, connect as connectTcp } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseLocation } from '../../lambda/rollup/model/location.ts';
import { run } from '../../lambda/run.ts';
import { connect } from '../../lambda/s3/connection.ts';
import { maxSockets } from '../../lambda/settings/settings.ts';
import { MiB } from '../../lambda/size.ts';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { SETTINGS, failureOf, logLines } from '../support/test-bucket.ts';

interface Proxy extends AsyncDisposable {
  url: string;
  /** `CONNECT host:port` for each tunnel, `GET url` and the like for each request that it forwards. */
  asked: string[];
  /** Refuses everything, if true. */
  refuses: boolean;
  /** Open tunnels now, and the most at once. */
  tunnels: { open: number; most: number };
}

/** An HTTP proxy: tunnels by CONNECT, and requests with a whole URL. */
async function startProxy(): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    proxy.asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    response.writeHead(proxy.refuses ? 403 : 502).end();
  });
  server.on('connect', (request, socket: Socket) => {
    proxy.asked.push(`CONNECT ${request.url ?? ''}`);
    if (proxy.refuses) {
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const [host = '', port] = (request.url ?? '').split(':');
    const upstream = connectTcp(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    proxy.tunnels.open++;
    proxy.tunnels.most = Math.max(proxy.tunnels.most, proxy.tunnels.open);
    for (const one of [socket, upstream]) {
      sockets.add(one);
      one.on('error', () => one.destroy());
    }
    socket.once('close', () => {
      proxy.tunnels.open--;
      upstream.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    refuses: false,
    tunnels: { open: 0, most: 0 },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

const SOURCE = parseLocation('s3://logs/raw/08/');
const DESTINATION = parseLocation('s3://logs/rolled/08/');
const settings = { ...SETTINGS, concurrency: 8, outputsInFlight: 2 };

let sandbox: Sandbox;
let proxy: Proxy;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: ['logs'], tls: true });
  proxy = await startProxy();
  for (const name of ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'https_proxy', 'http_proxy', 'no_proxy'])
    vi.stubEnv(name, undefined);
  for (let i = 0; i < 60; i++) sandbox.put('logs', `raw/08/${i}.log`, logLines(60_000 + i));
  sandbox.put('logs', 'raw/08/large.log', logLines(9 * MiB));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await proxy[Symbol.asyncDispose]();
  await sandbox.close();
});

async function roll() {
  const connection = connect({
    settings,
    endpointUrl: sandbox.endpoint,
    ...(sandbox.ca === undefined ? {} : { ca: sandbox.ca }),
    timeouts: { retries: 500 },
  });
  try {
    return await run({ source: SOURCE, destination: DESTINATION }, connection, { settings });
  } finally {
    connection.close();
  }
}

describe('behind a proxy', () => {
  it.each(['HTTPS_PROXY', 'https_proxy'])(
    '%s: every request goes by it, within the bound of connections',
    async (name) => {
      vi.stubEnv(name, proxy.url);
      const result = await roll();
      expect(result).toMatchObject({ status: 'committed', objects: 61, requests: { retries: 0 } });
      const { host } = new URL(sandbox.endpoint);
      expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT ${host}`]));
      expect(proxy.tunnels.most).toBeLessThanOrEqual(maxSockets(settings));
      expect(result.peak.connections).toBeGreaterThan(0);
      expect(result.peak.connections).toBeLessThanOrEqual(maxSockets(settings));
    },
  );

  it('NO_PROXY: none goes by it', async () => {
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    vi.stubEnv('NO_PROXY', '127.0.0.1,localhost');
    expect(await roll()).toMatchObject({ status: 'committed', objects: 61 });
    expect(proxy.asked).toEqual([]);
  });

  it.each([
    ['that refuses', true],
    ['that is not there', false],
  ])('one %s is named in the error, without its password', async (_, refuses) => {
    proxy.refuses = true;
    const at = refuses ? proxy.url : 'http://127.0.0.1:1';
    vi.stubEnv('HTTPS_PROXY', at.replace('//', '//user:secret@'));
    const failure = await failureOf(roll());
    expect(failure).toMatchObject({ code: 'EndpointUnreachable' });
    expect(failure.message).toContain(
      `HTTPS_PROXY is ${at.replace('//', '//***@')}: check that it can be reached and lets the host pass`,
    );
    expect(failure.message).not.toContain('secret');
  });
});
