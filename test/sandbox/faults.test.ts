import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startSandbox, type Fault, type Sandbox } from '../../sandbox/sandbox.ts';
import { send } from './raw.ts';

const BODY = Buffer.from(Array.from({ length: 600_000 }, (_, i) => i % 251));

interface Exchange {
  head: string;
  body: Buffer;
  ended: 'finished' | 'reset';
}

/** A GET over a bare socket, which shows how the connection ends. Resolves early once `enough` bytes of body have come. */
async function exchange(sandbox: Sandbox, path: string, enough = Infinity): Promise<Exchange> {
  const port = Number(new URL(sandbox.endpoint).port);
  const socket =
    sandbox.ca === undefined
      ? connect(port, '127.0.0.1')
      : connectTls({ port, host: '127.0.0.1', ca: sandbox.ca });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  let received = Buffer.alloc(0);
  const ended = await new Promise<Exchange['ended']>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length - received.indexOf('\r\n\r\n') - 4 >= enough) resolve('finished');
    });
    socket.on('end', () => {
      resolve('finished');
    });
    socket.on('error', () => {
      resolve('reset');
    });
  });
  socket.destroy();
  const split = received.indexOf('\r\n\r\n');
  return split < 0
    ? { head: '', body: received, ended }
    : { head: received.toString('latin1', 0, split), body: received.subarray(split + 4), ended };
}

describe.each([false, true])('a GET under a fault, with TLS: %s', (tls) => {
  let sandbox: Sandbox;
  beforeEach(async () => {
    sandbox = await startSandbox({ buckets: ['b'], tls });
    sandbox.put('b', 'x', BODY);
  });
  afterEach(() => sandbox.close());

  it('none: the whole body', async () => {
    const { head, body, ended } = await exchange(sandbox, '/b/x');
    expect(head).toMatch(/^HTTP\/1.1 200 /);
    expect(head).toMatch(/content-length: 600000/i);
    expect(BODY.equals(body)).toBe(true);
    expect(ended).toBe('finished');
  });

  it('error: refused with its code', async () => {
    sandbox.hook = () => ({ kind: 'error', status: 503, code: 'SlowDown', headers: { 'retry-after': '1' } });
    const { head, body } = await exchange(sandbox, '/b/x');
    expect(head).toMatch(/^HTTP\/1.1 503 /);
    expect(head).toMatch(/retry-after: 1/);
    expect(body.toString()).toContain('<Code>SlowDown</Code>');
  });

  it('delay: answered afterwards', async () => {
    sandbox.hook = () => ({ kind: 'delay', ms: 1 });
    expect(BODY.equals((await exchange(sandbox, '/b/x')).body)).toBe(true);
  });

  it.each(['reset', 'reset-after'] as const)('%s: the connection is reset', async (kind) => {
    sandbox.hook = () => ({ kind });
    expect(await exchange(sandbox, '/b/x')).toEqual({ head: '', body: Buffer.alloc(0), ended: 'reset' });
  });

  it.each([0, 1, 100_000, 599_999])('cut by a FIN after %d bytes', async (afterBytes) => {
    sandbox.hook = () => ({ kind: 'cut', afterBytes, how: 'close' });
    const { head, body, ended } = await exchange(sandbox, '/b/x');
    expect(head).toMatch(/content-length: 600000/i);
    expect(BODY.subarray(0, afterBytes).equals(body)).toBe(true);
    expect(ended).toBe('finished');
  });

  it.each([0, 1, 100_000])('cut by a RST after %d bytes', async (afterBytes) => {
    sandbox.hook = () => ({ kind: 'cut', afterBytes, how: 'reset' });
    const { body, ended } = await exchange(sandbox, '/b/x');
    // Bytes on their way are lost with the connection.
    expect(body.length).toBeLessThanOrEqual(afterBytes);
    expect(ended).toBe('reset');
  });

  it('stall: the connection stays open', async () => {
    sandbox.hook = () => ({ kind: 'stall', afterBytes: 100_000 });
    const { body } = await exchange(sandbox, '/b/x', 100_000);
    expect(BODY.subarray(0, 100_000).equals(body)).toBe(true);
  });

  it.each([0, 300_000, 599_999])('corrupt at byte %d', async (atByte) => {
    sandbox.hook = () => ({ kind: 'corrupt', atByte });
    const { body } = await exchange(sandbox, '/b/x');
    expect(Array.from(BODY.keys()).filter((i) => BODY[i] !== body[i])).toEqual([atByte]);
  });

  it('hang: no answer until the sandbox is closed', async () => {
    let arrived: () => void = () => undefined;
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    sandbox.hook = () => {
      arrived();
      return { kind: 'hang' };
    };
    const hanging = exchange(sandbox, '/b/x');
    await arrival;
    await sandbox.close();
    expect((await hanging).head).toBe('');
    sandbox = await startSandbox();
  });
});

describe('a sandbox over HTTP', () => {
  let sandbox: Sandbox;
  beforeEach(async () => {
    sandbox = await startSandbox({ buckets: ['b'] });
  });
  afterEach(() => sandbox.close());

  it.each<[Fault, boolean]>([
    [{ kind: 'reset' }, false],
    [{ kind: 'error', status: 500, code: 'InternalError' }, false],
    [{ kind: 'error-in-body', code: 'InternalError' }, false],
    [{ kind: 'reset-after' }, true],
    [{ kind: 'cut', afterBytes: 0, how: 'close' }, true],
  ])('executes a put under %j: %s', async (fault, executed) => {
    sandbox.hook = () => fault;
    await send(sandbox.endpoint, 'PUT', '/b/x', { body: 'hello' }).catch(() => undefined);
    expect(sandbox.get('b', 'x')?.toString()).toBe(executed ? 'hello' : undefined);
  });

  it('answers error-in-body with 200 and an Error document', async () => {
    sandbox.hook = () => ({ kind: 'error-in-body', code: 'SlowDown' });
    expect(await send(sandbox.endpoint, 'POST', '/b/x?uploadId=1')).toMatchObject({
      status: 200,
      code: 'SlowDown',
    });
  });

  it('holds a request while its hook waits, and no other request', async () => {
    sandbox.put('b', 'slow', 'slow');
    sandbox.put('b', 'fast', 'fast');
    let release: () => void = () => undefined;
    const gate = new Promise<undefined>((resolve) => {
      release = () => {
        resolve(undefined);
      };
    });
    sandbox.hook = ({ key }) => (key === 'slow' ? gate : undefined);
    const slow = send(sandbox.endpoint, 'GET', '/b/slow');
    expect((await send(sandbox.endpoint, 'GET', '/b/fast')).body.toString()).toBe('fast');
    expect(sandbox.stats()).toMatchObject({ inFlight: 1 });
    release();
    expect((await slow).body.toString()).toBe('slow');
    expect(sandbox.stats()).toMatchObject({ inFlight: 0, requests: 2 });
  });

  it('shows its hook what a request asks for', async () => {
    const seen: unknown[] = [];
    sandbox.hook = (request) => {
      seen.push({ ...request, headers: undefined });
      return undefined;
    };
    await send(sandbox.endpoint, 'GET', '/b/a%20b', { headers: { range: 'bytes=0-1' } });
    await send(sandbox.endpoint, 'GET', '/b?list-type=2&prefix=raw%2F');
    await send(sandbox.endpoint, 'PUT', '/b/x?partNumber=3&uploadId=u', { body: 'x' });
    await send(sandbox.endpoint, 'PUT', '/b/x?acl', { body: 'x' });
    // toEqual ignores undefined fields.
    expect(seen).toEqual([
      { id: 1, operation: 'GetObject', bucket: 'b', key: 'a b', range: 'bytes=0-1' },
      { id: 2, operation: 'ListObjectsV2', bucket: 'b', prefix: 'raw/' },
      { id: 3, operation: 'UploadPart', bucket: 'b', key: 'x', partNumber: 3, uploadId: 'u' },
      { id: 4, operation: 'Other', bucket: 'b', key: 'x' },
    ]);
    expect(sandbox.requests.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
    sandbox.clearRequests();
    expect(sandbox.requests).toEqual([]);
  });

  it('counts requests in flight and connections, with their peaks', async () => {
    sandbox.put('b', 'x', 'x');
    let waiting = 0;
    let release: () => void = () => undefined;
    const gate = new Promise<undefined>((resolve) => {
      release = () => {
        resolve(undefined);
      };
    });
    const all = new Promise<void>((resolve) => {
      sandbox.hook = () => {
        if (++waiting === 5) resolve();
        return gate;
      };
    });
    const sent = [
      ...Array.from({ length: 3 }, () => send(sandbox.endpoint, 'GET', '/b/x')),
      ...Array.from({ length: 2 }, () => send(sandbox.endpoint, 'HEAD', '/b/x')),
    ];
    await all;
    expect(sandbox.stats()).toEqual({
      connections: 5,
      peakConnections: 5,
      inFlight: 5,
      peakInFlight: 5,
      peakInFlightGets: 3,
      requests: 5,
    });
    release();
    await Promise.all(sent);
    expect(sandbox.stats()).toMatchObject({ inFlight: 0, peakInFlight: 5 });
    sandbox.resetPeaks();
    expect(sandbox.stats()).toMatchObject({ peakInFlight: 0, peakInFlightGets: 0 });
  });

  it('is reached from this machine alone', async () => {
    const socket = connect(Number(new URL(sandbox.endpoint).port), '127.0.0.2');
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });
});
