import { createServer } from 'node:net';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, RollupError } from '../../lambda/errors.ts';
import { readInto } from '../../lambda/s3/client/read-into.ts';
import type { Timeouts } from '../../lambda/s3/client/timeouts.ts';
import { MiB } from '../../lambda/size.ts';
import { type Fault, type Operation, type SandboxRequest } from '../../sandbox/sandbox.ts';
import type { WatchedBucket } from './support/watched-bucket.ts';
import {
  AGGREGATED,
  BUCKET,
  MANIFEST_KEY,
  RAW,
  bodyOf,
  endOf,
  openWatchedBucket,
} from './support/watched-bucket.ts';
import { isSample, isTrial } from '../support/hooks.ts';

const error = (status: number, code: string): Fault => ({ kind: 'error', status, code });
const SLOW_DOWN = error(503, 'SlowDown');
const INTERNAL = error(500, 'InternalError');
const VICTIM = `${RAW}b.log`;

/** A multipart upload, a small one, and a copy: every request that a run can make but a delete. */
async function openVariedHour(timeouts: Partial<Timeouts> = {}): Promise<WatchedBucket> {
  const bucket = await openWatchedBucket({ targetSize: 6 * MiB }, { timeouts });
  bucket.putLog('a.log', bodyOf('a', 0, 3 * MiB), { hasCrc32: true });
  bucket.putLog('b.log', bodyOf('b', 0, 3 * MiB), { hasCrc32: true });
  bucket.putLog('c.log', bodyOf('c', 0, 6 * MiB));
  for (const name of ['d', 'e', 'f']) bucket.putLog(`${name}.log`, bodyOf(name, 1, 1000));
  return bucket;
}

/** Short where a test waits for a timeout; elsewhere the defaults, which an honest answer on a busy machine does not exceed. */
function timeoutsFor({ kind }: Fault): Partial<Timeouts> {
  return kind === 'stall' || kind === 'hang' ? { headers: 2_000, bodyIdle: 2_000, longest: 4_000 } : {};
}

type Victim = (request: SandboxRequest) => boolean;
const requests =
  (operation: Operation, key = ''): Victim =>
  (request) =>
    request.operation === operation &&
    (request.key ?? request.prefix ?? '').startsWith(key) &&
    !isSample(request) &&
    !isTrial(request);
const download = requests('GetObject', VICTIM);
const listing = requests('ListObjectsV2', RAW);
const smallOutput: Victim = ({ operation, key = '' }) =>
  operation === 'PutObject' && key.startsWith(`${AGGREGATED}part-`);
const index = requests('PutObject', `${AGGREGATED}_sources`);
const manifest = requests('PutObject', MANIFEST_KEY);

/** Faults for the first so many requests that match. */
function inject(bucket: WatchedBucket, victim: Victim, fault: Fault, times: number): () => number {
  let met = 0;
  bucket.sandbox.hook = (request) => {
    bucket.watch.check();
    return victim(request) && ++met <= times ? fault : undefined;
  };
  return () => met;
}

const PASSING: [string, Victim, Fault][] = [
  ['SlowDown at a download', download, SLOW_DOWN],
  ['SlowDown at a listing', listing, SLOW_DOWN],
  ['SlowDown at the manifest', manifest, SLOW_DOWN],
  ['InternalError at a download', download, INTERNAL],
  ['InternalError at the beginning of an upload', requests('CreateMultipartUpload'), INTERNAL],
  ['InternalError at a part', requests('UploadPart'), INTERNAL],
  ['InternalError at a copy', requests('CopyObject'), INTERNAL],
  ['InternalError at the index of sources', index, INTERNAL],
  ['InternalError at the list of uploads', requests('ListMultipartUploads'), INTERNAL],
  ['a reset before the headers of a download', download, { kind: 'reset' }],
  ['a reset before the headers of a listing', listing, { kind: 'reset' }],
  ['a reset at a part', requests('UploadPart'), { kind: 'reset' }],
  ['a body that is reset half-way', download, { kind: 'cut', afterBytes: MiB, how: 'reset' }],
  ['a body that is closed half-way', download, { kind: 'cut', afterBytes: MiB, how: 'close' }],
  ['a body that is closed before its first byte', download, { kind: 'cut', afterBytes: 0, how: 'close' }],
  ['a body that stalls', download, { kind: 'stall', afterBytes: MiB }],
  ['a first byte that never comes', download, { kind: 'hang' }],
  ['a listing that never comes', listing, { kind: 'hang' }],
  ['a listing that stalls', listing, { kind: 'stall', afterBytes: 500 }],
  ['an error document that stalls', requests('GetObject', MANIFEST_KEY), { kind: 'stall', afterBytes: 30 }],
  [
    'the answer to a completion stalls',
    requests('CompleteMultipartUpload'),
    { kind: 'stall', afterBytes: 0 },
  ],
  ['the answer to a copy stalls', requests('CopyObject'), { kind: 'stall', afterBytes: 10 }],
  ['a listing that is cut', listing, { kind: 'cut', afterBytes: 500, how: 'close' }],
  [
    'a completion with an error in its body',
    requests('CompleteMultipartUpload'),
    { kind: 'error-in-body', code: 'InternalError' },
  ],
  [
    'a copy with an error in its body',
    requests('CopyObject'),
    { kind: 'error-in-body', code: 'InternalError' },
  ],
  ['a lost answer to the beginning of an upload', requests('CreateMultipartUpload'), { kind: 'reset-after' }],
  ['a lost answer to a part', requests('UploadPart'), { kind: 'reset-after' }],
  ['a lost answer to a completion', requests('CompleteMultipartUpload'), { kind: 'reset-after' }],
  ['a lost answer to a small output', smallOutput, { kind: 'reset-after' }],
  ['a lost answer to a copy', requests('CopyObject'), { kind: 'reset-after' }],
  ['a lost answer to the index of sources', index, { kind: 'reset-after' }],
  ['a lost answer to the manifest', manifest, { kind: 'reset-after' }],
];

/** A conflict at a write is no retry of the request: the run, or the upload, is begun anew. */
const CONFLICT = error(409, 'ConditionalRequestConflict');
const CONFLICTING: [string, Victim, Fault][] = [
  ['a conflict at the manifest', manifest, CONFLICT],
  ['a conflict at a completion', requests('CompleteMultipartUpload'), CONFLICT],
  ['a conflict at a small output', smallOutput, CONFLICT],
];

const DAMAGING: [string, Victim, Fault][] = [
  ['a flipped byte, against a CRC-64', requests('GetObject', `${RAW}d.log`), { kind: 'corrupt', atByte: 7 }],
];

describe.concurrent('a fault that passes', () => {
  it.each([...PASSING, ...CONFLICTING, ...DAMAGING])(
    '%s: the commit is exact',
    async (name, victim, fault) => {
      await using bucket = await openVariedHour(timeoutsFor(fault));
      const met = inject(bucket, victim, fault, 1);
      const end = await bucket.tryRoll();
      expect(endOf(end)).toBe('committed');
      expect(met()).toBeGreaterThan(1);
      expect(bucket.problems()).toEqual([]);
      const retries = end instanceof RollupError ? 0 : end.requests.retries;
      // A damaged byte is found by the upload: the output is downloaded once more.
      const isMended = [...CONFLICTING, ...DAMAGING].some(([other]) => other === name);
      if (!isMended) expect(retries).toBeGreaterThan(0);
      expect(retries).toBeLessThan(10);
    },
  );
});

const LASTING: [string, Victim, Fault, ErrorCode, string | undefined][] = [
  ['SlowDown at a download', download, SLOW_DOWN, 'SlowDown', VICTIM],
  ['SlowDown at a listing', listing, SLOW_DOWN, 'SlowDown', RAW],
  ['InternalError at a download', download, INTERNAL, 'S3Error', VICTIM],
  ['InternalError at the manifest', manifest, INTERNAL, 'S3Error', MANIFEST_KEY],
  ['a reset before headers', download, { kind: 'reset' }, 'EndpointUnreachable', VICTIM],
  ['a body that is reset', download, { kind: 'cut', afterBytes: MiB, how: 'reset' }, 'ShortBody', VICTIM],
  ['a body that is closed', download, { kind: 'cut', afterBytes: MiB, how: 'close' }, 'ShortBody', VICTIM],
  ['a body that stalls', download, { kind: 'stall', afterBytes: MiB }, 'BodyStalled', VICTIM],
  ['a first byte that never comes', download, { kind: 'hang' }, 'Timeout', VICTIM],
  ['a flipped byte', download, { kind: 'corrupt', atByte: MiB }, 'ChecksumMismatch', VICTIM],
  ['an expired token', download, error(403, 'ExpiredToken'), 'AccessDenied', VICTIM],
  ['an expired token, as S3 has it', download, error(400, 'ExpiredToken'), 'AccessDenied', VICTIM],
  [
    'a completion with an error in its body',
    requests('CompleteMultipartUpload'),
    { kind: 'error-in-body', code: 'InternalError' },
    'S3Error',
    undefined,
  ],
  ['a part that is refused', requests('UploadPart'), error(403, 'AccessDenied'), 'AccessDenied', undefined],
  ['a manifest that conflicts', manifest, CONFLICT, 'Conflict', MANIFEST_KEY],
];

/** What the run itself found out has no cause that is another error. */
const FOUND_HERE: ErrorCode[] = ['BodyStalled', 'ChecksumMismatch', 'Conflict', 'ShortBody'];

describe.concurrent('a fault that lasts', () => {
  it.each(LASTING)(
    '%s ends the run: code, key, and nothing half-written',
    async (_, victim, fault, code, key) => {
      await using bucket = await openVariedHour();
      const met = inject(bucket, victim, fault, Infinity);
      const connection = bucket.connect({}, { timeouts: { ...timeoutsFor(fault), retries: 1_000 } });
      const end = await bucket.tryRoll({ connection });
      expect(end).toBeInstanceOf(RollupError);
      expect(end).toMatchObject(key === undefined ? { code } : { code, key });
      if (!FOUND_HERE.includes(code)) expect((end as RollupError).cause).toBeDefined();
      // It does not take long, however slow the machine is.
      expect(met()).toBeLessThan(30);
      expect(bucket.objects.get(MANIFEST_KEY)).toBeUndefined();
      expect(bucket.openUploads()).toEqual([]);
      bucket.sandbox.hook = undefined;
      expect(endOf(await bucket.tryRoll())).toBe('committed');
      expect(bucket.problems()).toEqual([]);
    },
  );

  it.each([403, 400])('an expired token (%i) is not tried again', async (status) => {
    await using bucket = await openVariedHour();
    const stop = new AbortController();
    let met = 0;
    bucket.sandbox.hook = (request) => {
      if (!download(request)) return undefined;
      // Else a run that repeats it would never end.
      if (++met > 4) stop.abort();
      return error(status, 'ExpiredToken');
    };
    expect(endOf(await bucket.tryRoll({ signal: stop.signal }))).toBe('AccessDenied');
    // Once past the SDK's middleware, once through it.
    expect(met).toBe(2);
  });

  it.each<[string, (bucket: WatchedBucket) => void, ErrorCode]>([
    [
      'left',
      (bucket) => {
        bucket.sandbox.delete(BUCKET, VICTIM);
      },
      'SourceVanished',
    ],
    [
      'changed',
      (bucket) => {
        bucket.putLog('b.log', bodyOf('b', 2, 3 * MiB));
      },
      'SourceChanged',
    ],
    [
      'shrank',
      (bucket) => {
        bucket.putLog('b.log', bodyOf('b', 2, 9));
      },
      'SourceChanged',
    ],
  ])('a source that %s after the listing', async (_, happen, code) => {
    await using bucket = await openVariedHour();
    let met = 0;
    bucket.sandbox.hook = (request) => {
      if (download(request) && ++met === 1) happen(bucket);
      return undefined;
    };
    expect(await bucket.tryRoll()).toMatchObject({ code, key: VICTIM });
    expect(met).toBe(2);
    expect(bucket.objects.get(MANIFEST_KEY)).toBeUndefined();
    expect(bucket.openUploads()).toEqual([]);
    expect(endOf(await bucket.tryRoll())).toBe('committed');
    expect(await bucket.settle()).toEqual([]);
  });

  it('an endpoint where nobody listens is EndpointUnreachable', async () => {
    await using bucket = await openVariedHour();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    const end = await bucket.tryRoll({
      connection: bucket.connect({}, { endpointUrl: `http://127.0.0.1:${port}` }),
    });
    expect(end).toMatchObject({ code: 'EndpointUnreachable', key: MANIFEST_KEY });
    expect((end as RollupError).message).toMatch(/after [2-5] attempts/);
  });

  it('a name that does not resolve is EndpointUnreachable', async () => {
    await using bucket = await openVariedHour();
    const end = await bucket.tryRoll({
      connection: bucket.connect({}, { endpointUrl: 'http://s3.invalid' }),
    });
    expect(end).toMatchObject({ code: 'EndpointUnreachable', key: MANIFEST_KEY });
  });
});

describe.concurrent('the second page of a listing', () => {
  const second: Victim = (request) => request.operation === 'ListObjectsV2' && request.prefix === RAW;

  it.each<[string, Fault, number, string]>([
    ['fails once', INTERNAL, 1, 'committed'],
    ['is cut once', { kind: 'cut', afterBytes: 5000, how: 'close' }, 1, 'committed'],
    ['fails for good', INTERNAL, Infinity, 'S3Error'],
  ])('%s', async (_, fault, times, expected) => {
    await using bucket = await openWatchedBucket({ targetSize: MiB });
    for (let i = 0; i < 1100; i++) bucket.putLog(`${i}.log`, Buffer.from(`${i}\n`));
    let pages = 0;
    bucket.sandbox.hook = (request) =>
      second(request) && ++pages > 1 && pages <= times + 1 ? fault : undefined;
    const end = await bucket.tryRoll();
    expect(endOf(end)).toBe(expected);
    if (expected === 'committed') expect(bucket.problems()).toEqual([]);
    else {
      expect(end).toMatchObject({ key: RAW });
      expect(bucket.objects.get(MANIFEST_KEY)).toBeUndefined();
    }
  });
});

describe('a machine whose clock is off', () => {
  it('repeats no refusal that the clock is not to blame for', async () => {
    const tomorrow = (): Date => new Date(Date.now() + 86_400_000);
    await using bucket = await openWatchedBucket({}, { now: tomorrow });
    bucket.putLog('a.log', bodyOf('a', 1, 100));
    const end = await bucket.tryRoll();
    expect(end).toMatchObject({ status: 'committed', requests: { retries: 0 } });
  });
});

describe('a body', () => {
  it('that ends early without an error is a short one', async () => {
    const body = Readable.from([Buffer.alloc(3)]);
    const landing = readInto(body, Buffer.alloc(5), 'key', new AbortController().signal, 1_000);
    await expect(landing).rejects.toMatchObject({ code: 'ShortBody', key: 'key' });
  });
});
