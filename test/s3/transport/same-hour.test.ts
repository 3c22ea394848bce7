import { expect, it } from 'vitest';
import { maxSockets } from '../../../lambda/settings/settings.ts';
import type { Fault, Hook } from '../../../sandbox/sandbox.ts';
import { matching } from '../../support/hooks.ts';
import { BUCKET, MANIFEST_KEY, RAW, openTestBucket } from '../../support/test-bucket.ts';

const SOURCES = 60;

/** Faults of the downloads, each as often as the others. */
const FAULTS: Fault[] = [
  { kind: 'cut', afterBytes: 5_000, how: 'reset' },
  { kind: 'cut', afterBytes: 5_000, how: 'close' },
  { kind: 'cut', afterBytes: 0, how: 'close' },
  { kind: 'corrupt', atByte: 7_000 },
  { kind: 'stall', afterBytes: 5_000 },
  { kind: 'reset' },
  { kind: 'reset-after' },
  { kind: 'hang' },
  { kind: 'error', status: 500, code: 'InternalError' },
];

/** One fault on every fourth download; none twice on the same object, so that the hour can be finished. */
function everyFourth(): Hook {
  const isDownload = matching('GetObject', RAW);
  const met = new Set<string>();
  let count = 0;
  return (request) => {
    const { key = '' } = request;
    if (!isDownload(request) || count++ % 4 !== 0 || met.has(key)) return undefined;
    met.add(key);
    return FAULTS[met.size % FAULTS.length];
  };
}

it.each([
  ['over plain TCP', { tls: false, faulty: false }],
  ['over TLS', { tls: true, faulty: false }],
  ['over TLS, with faults', { tls: true, faulty: true }],
])('the same hour comes out byte for byte by either transport, %s', async (_, { tls, faulty }) => {
  await using bucket = await openTestBucket({}, { tls });
  bucket.putHour(SOURCES);
  const seen = [];
  for (const lends of [true, false]) {
    const { ca } = bucket.sandbox;
    const timeouts = faulty ? { headers: 300, bodyIdle: 200 } : {};
    const connection = bucket.connect({}, { lends, timeouts, ...(ca === undefined ? {} : { ca }) });
    if (faulty) bucket.sandbox.hook = everyFourth();
    const { connections: others } = bucket.sandbox.stats();
    bucket.sandbox.resetPeaks();
    expect(await bucket.roll({ connection })).toMatchObject({ status: 'committed' });
    bucket.sandbox.hook = undefined;
    const { peakConnections } = bucket.sandbox.stats();
    // A connection that was destroyed may be gone here a moment later than there.
    if (!faulty) expect(peakConnections - others).toBeLessThanOrEqual(maxSockets(bucket.settings));
    await bucket.expectSound();
    seen.push(bucket.outputs());
    for (const key of bucket.sandbox.keys(BUCKET, MANIFEST_KEY.replace(/[^/]*$/, '')))
      bucket.sandbox.delete(BUCKET, key);
  }
  const [own, sdk] = seen;
  expect(own?.length).toBeGreaterThan(0);
  expect(own?.map(({ key }) => key)).toEqual(sdk?.map(({ key }) => key));
  expect(own?.every(({ body }, i) => body.equals(sdk?.[i]?.body ?? Buffer.alloc(0)))).toBe(true);
});
