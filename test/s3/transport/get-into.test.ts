import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RollupError } from '../../../lambda/errors.ts';
import { DEFAULT_SETTINGS, maxSockets } from '../../../lambda/settings/settings.ts';
import type { Connection } from '../../../lambda/s3/connection.ts';
import type { Store } from '../../../lambda/rollup/model/store.ts';
import { type Came, type Step, response, scriptedServer } from './scripted-server.ts';

const BODY = Buffer.from('line 1\nline 2\n');
const GOOD = response(BODY);
const { signal } = new AbortController();

beforeEach(() => {
  // Retries without waits between them.
  vi.spyOn(Math, 'random').mockImplementation(() => 0);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Reads the object; returns its bytes with what surrounds them, or the code of the failure. */
async function read(store: Store, length = BODY.length, stop = signal) {
  const slab = Buffer.alloc(length + 8, 0xee);
  try {
    const { checksum } = await store.read(
      { bucket: 'logs', key: 'a', etag: 'e' },
      slab.subarray(4, -4),
      stop,
    );
    return { slab: slab.toString('latin1'), checksum };
  } catch (error) {
    expect(slab.subarray(0, 4).equals(slab.subarray(-4))).toBe(true);
    return error instanceof RollupError ? error.code : String(error);
  }
}

const ofBody: unknown = expect.objectContaining({
  slab: `\xee\xee\xee\xee${BODY.toString()}\xee\xee\xee\xee`,
});

it('a response is read at whichever byte it is cut, over one connection, without the SDK', async () => {
  let cut = 0;
  await using server = await scriptedServer(() => [GOOD.subarray(0, cut), GOOD.subarray(cut)]);
  const { store } = server.connect();
  for (cut = 1; cut < GOOD.length; cut++) expect(await read(store)).toEqual(ofBody);
  expect(server.connections()).toBe(1);
  expect(server.came).toHaveLength(GOOD.length - 1);
  expect(server.came.some(({ bySdk }) => bySdk)).toBe(false);
});

describe('a kept connection that has ended', () => {
  it.each<[string, Step]>([
    ['with a reset', 'reset'],
    ['as it was asked', 'end'],
  ])('%s costs one request more, and none of the SDK', async (_, end) => {
    await using server = await scriptedServer(({ onConnection }) => (onConnection === 2 ? [end] : [GOOD]));
    const connection = server.connect();
    const { store } = connection;
    expect(await read(store)).toEqual(ofBody);
    expect(await read(store)).toEqual(ofBody);
    expect(server.came.map(({ connection, bySdk }) => [connection, bySdk])).toEqual([
      [1, false],
      [1, false],
      [2, false],
    ]);
    expect(connection.takeRequests()).toMatchObject({ get: 3, retries: 1 });
  });

  it('between requests is not used again', async () => {
    await using server = await scriptedServer(() => [GOOD]);
    const { store, gauge } = server.connect();
    expect(await read(store)).toEqual(ofBody);
    for (const socket of server.sockets) socket.resetAndDestroy();
    await vi.waitFor(() => {
      expect(gauge.connections).toBe(0);
    });
    expect(await read(store)).toEqual(ofBody);
    expect(server.came).toHaveLength(2);
  });

  it('because the server said so is not used again', async () => {
    await using server = await scriptedServer(() => [response(BODY, 'Connection: Close\r\n')]);
    const { store } = server.connect();
    for (let i = 0; i < 3; i++) expect(await read(store)).toEqual(ofBody);
    expect(server.came.map(({ connection }) => connection)).toEqual([1, 2, 3]);
  });
});

it('a new connection that is reset is left to the SDK, with its attempts', async () => {
  await using server = await scriptedServer(({ request }) => (request < 3 ? ['reset'] : [GOOD]));
  expect(await read(server.connect().store)).toEqual(ofBody);
  expect(server.came.map(({ bySdk }) => bySdk)).toEqual([false, true, true]);
});

it('bytes that come on an idle connection end it', async () => {
  await using server = await scriptedServer(() => [GOOD]);
  const { store, gauge } = server.connect();
  expect(await read(store)).toEqual(ofBody);
  for (const socket of server.sockets) socket.write(response('another body!\n'));
  await vi.waitFor(() => {
    expect(gauge.connections).toBe(0);
  });
  expect(await read(store)).toEqual(ofBody);
});

it('a bucket whose responses are odd is left to the HTTP client of Node after three', async () => {
  const odd = Buffer.concat([Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'), GOOD]);
  await using server = await scriptedServer(() => [odd]);
  const { store } = server.connect();
  for (let i = 0; i < 5; i++) expect(await read(store)).toEqual(ofBody);
  expect(server.came).toHaveLength(3 * 2 + 2);
});

describe('a read that is stopped', () => {
  it.each<[string, Step[]]>([
    ['before its response', []],
    ['within the head', [GOOD.subarray(0, 20)]],
    ['within the body', [GOOD.subarray(0, -3)]],
  ])('%s ends at once, with its connection', async (_, steps) => {
    await using server = await scriptedServer(() => steps);
    const { store, gauge } = server.connect();
    const stop = new AbortController();
    const reading = read(store, BODY.length, stop.signal);
    await vi.waitFor(() => {
      expect(server.came).toHaveLength(1);
    });
    stop.abort(new Error('enough'));
    expect(await reading).toBe('Error: enough');
    await vi.waitFor(() => {
      expect(gauge.connections).toBe(0);
    });
    expect(server.came).toHaveLength(1);
  });

  it('while it waits for a connection lets the others go on, over no more connections', async () => {
    const held: (() => void)[] = [];
    await using server = await scriptedServer(
      () => [GOOD],
      (go) => held.push(go),
    );
    const settings = { ...DEFAULT_SETTINGS, concurrency: 1, outputsInFlight: 1 };
    const cap = maxSockets(settings);
    const { store } = server.connect({ settings });
    const stop = new AbortController();
    const first = Array.from({ length: cap }, () => read(store));
    await vi.waitFor(() => {
      expect(held).toHaveLength(cap);
    });
    const stopped = Array.from({ length: 5 }, () => read(store, BODY.length, stop.signal));
    const last = Array.from({ length: 5 }, () => read(store));
    const heads = Array.from({ length: 5 }, () => store.head({ bucket: 'logs', key: 'a' }));
    await new Promise(setImmediate);
    stop.abort(new Error('enough'));
    expect(await Promise.all(stopped)).toEqual(stopped.map(() => 'Error: enough'));
    const release = setInterval(() => {
      for (const go of held.splice(0)) go();
    });
    expect(await Promise.all([...first, ...last])).toEqual(Array(cap + 5).fill(ofBody));
    expect(await Promise.all(heads)).toEqual(Array(5).fill(expect.objectContaining({ size: BODY.length })));
    clearInterval(release);
    expect(server.connections()).toBe(cap);
    expect(server.came).toHaveLength(cap + 10);
  });
});

describe('a server that says nothing', () => {
  it.each<[string, Step[], string]>([
    ['before the head: the SDK asks again', [], 'Timeout'],
    ['within the head: the SDK asks again', [GOOD.subarray(0, 20)], 'Timeout'],
    ['within the body: the body has stalled', [GOOD.subarray(0, -3)], 'BodyStalled'],
  ])('%s', async (_, steps, code) => {
    await using server = await scriptedServer(() => steps);
    const { store } = server.connect({ timeouts: { headers: 50, bodyIdle: 50, retries: 0 } });
    expect(await read(store)).toBe(code);
    expect(server.came[0]?.bySdk).toBe(false);
  });
});

/** Heads and bodies, right ones and others, as what a broken server or proxy could send. */
const responses = fc
  .record({
    version: fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'http/1.1', ''),
    status: fc.constantFrom(
      '200 OK',
      '200 OK',
      '200 OK',
      '200',
      '206 Partial Content',
      '204 None',
      '404 No',
      '503 Slow',
      '20',
    ),
    before: fc.constantFrom(
      '',
      '',
      '',
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n',
      '\r\n',
      'x',
    ),
    length: fc.constantFrom(
      '14',
      '14',
      '14',
      '14',
      '13',
      '15',
      '0',
      '-14',
      '14, 14',
      '0x0e',
      '1e1',
      ' 14 ',
      '',
    ),
    others: fc.array(
      fc.constantFrom(
        'ETag: "e"',
        'Connection: close',
        'Connection: keep-alive',
        'Keep-Alive: timeout=1',
        'Transfer-Encoding: chunked',
        'Transfer-Encoding: identity',
        'Content-Length: 14',
        'Content-Length: 7',
        'Content-Encoding: gzip',
        'x-amz-checksum-crc32: AAAAAA==',
        'x-amz-checksum-crc64nvme: AAAAAAAAAAA=',
        'X : y',
        ' folded',
        'no colon',
        `X-Bomb: ${'x'.repeat(17_000)}`,
        'X: a\nb',
        'X: \x01',
        'X: \xff',
      ),
      { maxLength: 3 },
    ),
    body: fc.constantFrom(
      BODY.toString(),
      BODY.toString(),
      BODY.toString(),
      'line 1\n',
      `${BODY.toString()}x`,
      'e\r\nline 1\nline 2\n\r\n0\r\n\r\n',
      '',
    ),
    behind: fc.constantFrom('', '', '', 'HTTP/1.1 200 OK\r\n\r\n', GOOD.toString('latin1'), 'rubbish'),
    end: fc.constantFrom<Step[]>([], [], ['end'], ['reset']),
    cuts: fc.array(fc.nat(300), { maxLength: 6 }),
  })
  .map(({ version, status, before, length, others, body, behind, end, cuts }): Step[] => {
    const fields = [...others, ...(length === '' ? [] : [`Content-Length: ${length}`])];
    const head = [`${version} ${status}`, ...fields].join('\r\n');
    const bytes = Buffer.from(`${before}${head}\r\n\r\n${body}${behind}`, 'latin1');
    const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
    const pieces = at.slice(1).map((to, i) => bytes.subarray(at[i], to));
    // A body that does not come whole, and whose connection stays, is a stalled one: there is a test of its own.
    return [...pieces.filter((piece) => piece.length > 0), ...(end.length === 0 ? ['end' as const] : end)];
  });

it('whatever a server sends, both ways of reading come to the same end', { timeout: 60_000 }, async () => {
  let odd: Step[] = [];
  let asked = new Set<string>();
  // The response of the moment to the first requests of each way, then a good one: what came before must not show in it.
  const script = ({ head }: Came): Step[] => {
    const key = /^GET \S+\/(\w+)/.exec(head)?.[1] ?? '';
    asked.add(key);
    return key === 'odd' ? odd : [GOOD];
  };
  await using server = await scriptedServer(script);
  const timeouts = { retries: 0, headers: 500, bodyIdle: 500 };
  const ways = [server.connect({ timeouts }), server.connect({ timeouts, lends: false })];
  const readOf = async ({ store }: Connection, key: string) => {
    const into = Buffer.alloc(BODY.length, 0xee);
    try {
      // A bucket of its own each time: three odd responses in a row would leave it to the other way.
      const from = {
        bucket: `b${asked.size}x${String(Math.trunc(performance.now() * 1000))}`,
        key,
        etag: 'e',
      };
      const { checksum, contentEncoding } = await store.read(from, into, signal);
      return { body: into.toString('latin1'), checksum, contentEncoding };
    } catch (error) {
      return error instanceof RollupError ? error.code : String(error);
    }
  };
  await fc.assert(
    fc.asyncProperty(responses, async (steps) => {
      odd = steps;
      asked = new Set();
      const [own, sdk] = await Promise.all(ways.map((way) => readOf(way, 'odd')));
      expect(own).toEqual(sdk);
      const after = await Promise.all(ways.map((way) => readOf(way, 'good')));
      for (const read of after) expect(read).toMatchObject({ body: BODY.toString() });
    }),
    { numRuns: 60 },
  );
});
