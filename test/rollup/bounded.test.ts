import { describe, expect, it } from 'vitest';
import { openDescriptors } from '../../lambda/s3/client/gauge.ts';
import { MAX_CONNECTIONS, maxSockets } from '../../lambda/settings/settings.ts';
import { MiB } from '../../lambda/size.ts';
import type { Hook, SandboxRequest } from '../../sandbox/sandbox.ts';
import { eventually } from '../support/eventually.ts';
import { REFUSED, beforeNth, fromNth, matching } from '../support/hooks.ts';
import {
  BUCKET,
  RAW,
  type TestBucket,
  failureOf,
  logLines,
  openTestBucket,
  seeded,
} from '../support/test-bucket.ts';

/** Descriptors that are neither connections nor files of the run: pipes, timers, the event loop's own. */
const OTHER_DESCRIPTORS = 32;

/**
 * Lets downloads pile up: those that are waiting are answered only once no more come. What S3 has in flight then is all
 * that the client ever sends at once.
 */
function pilingUp(): Hook {
  const held: (() => void)[] = [];
  let arrivals = 0;
  return ({ operation, key = '' }: SandboxRequest) => {
    if (operation !== 'GetObject' || !key.startsWith(RAW)) return undefined;
    return new Promise((resolve) => {
      held.push(() => {
        resolve(undefined);
      });
      const arrival = ++arrivals;
      let patience = 50;
      const wait = (): void => {
        if (arrival !== arrivals) return;
        if (--patience > 0) setImmediate(wait);
        else for (const go of held.splice(0)) go();
      };
      setImmediate(wait);
    });
  };
}

describe('the ceilings of a run', () => {
  it.each([
    { concurrency: 1, outputsInFlight: 1, objects: 150 },
    { concurrency: 7, outputsInFlight: 3, objects: 300 },
    { concurrency: 64, outputsInFlight: 3, objects: 400 },
    { concurrency: 250, outputsInFlight: 16, objects: 600 },
  ])(
    'are reached and not passed, as S3 sees it, with $concurrency downloads and $outputsInFlight outputs',
    async ({ objects, ...settings }) => {
      await using bucket = await openTestBucket(settings);
      const random = seeded(1);
      let largest = 0;
      for (let i = 0; i < objects; i++) {
        const body = logLines(10_000 + random(60_000), random);
        largest = Math.max(largest, body.length);
        bucket.put(`${i}.log`, body);
      }
      const piling = pilingUp();
      let mostUploads = 0;
      bucket.sandbox.hook = (request) => {
        mostUploads = Math.max(mostUploads, bucket.sandbox.openUploads(BUCKET).length);
        return piling(request);
      };
      const cap = maxSockets(bucket.settings);
      const baseline = openDescriptors() ?? 0;
      const { peak, status, requests } = await bucket.roll();
      expect([status, requests.retries]).toEqual(['committed', 0]);
      const { peakInFlightGets, peakConnections } = bucket.sandbox.stats();
      // Reached, so that the ceiling is one, and not passed.
      expect(peakInFlightGets).toBe(settings.concurrency);
      expect(peakConnections).toBeLessThanOrEqual(cap);
      expect(peakConnections).toBeLessThanOrEqual(MAX_CONNECTIONS);
      expect(peak.connections).toBe(peakConnections);
      // Here both ends of every connection are this process's.
      expect(peak.fileDescriptors).toBeLessThanOrEqual(baseline + 2 * peak.connections + OTHER_DESCRIPTORS);
      expect(mostUploads).toBeLessThanOrEqual(settings.outputsInFlight);
      expect(peak.inFlightBytes).toBeGreaterThan(0);
      expect(peak.inFlightBytes).toBeLessThanOrEqual(
        settings.outputsInFlight * (bucket.settings.targetSize + largest),
      );
    },
  );

  it('hold for parts in flight, too', async () => {
    await using bucket = await openTestBucket({ targetSize: 16 * MiB, concurrency: 2, outputsInFlight: 2 });
    for (let i = 0; i < 80; i++) bucket.put(`${i}.log`, Buffer.alloc(MiB, `line of ${i}\n`));
    const cap = maxSockets(bucket.settings);
    let inFlight = 0;
    let most = 0;
    bucket.sandbox.hook = async (request) => {
      if (request.operation !== 'UploadPart') return undefined;
      most = Math.max(most, ++inFlight);
      // Until the others have had their turn to come in beside it.
      for (let turn = 0; turn < 30; turn++) await new Promise(setImmediate);
      inFlight--;
      return undefined;
    };
    await bucket.roll();
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(8);
    expect(bucket.sandbox.stats().peakConnections).toBeLessThanOrEqual(cap);
    await bucket.expectSound();
  });

  it('let bytes in flight and connections not grow with the number of objects', async () => {
    const peaks = [];
    for (const count of [200, 600]) {
      await using bucket = await openTestBucket({ concurrency: 8 });
      for (let i = 0; i < count; i++) bucket.put(`${i}.log`, Buffer.alloc(60_000, 'line of a log\n'));
      const { peak } = await bucket.roll();
      peaks.push([peak.inFlightBytes, peak.connections <= maxSockets(bucket.settings)]);
    }
    expect(peaks[1]).toEqual(peaks[0]);
  });
});

describe('connections', () => {
  const SOURCES = 60;
  const putAll = (bucket: TestBucket, round: number): void => {
    for (let i = 0; i < SOURCES; i++) bucket.put(`${i}.log`, logLines(125_000 + round));
  };
  const breaking: [string, (bucket: TestBucket, round: number) => Hook][] = [
    ['refused downloads', () => fromNth(20, matching('GetObject', RAW), REFUSED)],
    [
      'bodies that break',
      () => fromNth(20, matching('GetObject', RAW), { kind: 'cut', afterBytes: 1_000, how: 'reset' }),
    ],
    [
      'bodies that end early',
      () => fromNth(20, matching('GetObject', RAW), { kind: 'cut', afterBytes: 1_000, how: 'close' }),
    ],
    ['refused parts', () => fromNth(1, matching('UploadPart'), REFUSED)],
    ['uploads that are refused at their end', () => fromNth(1, matching('CompleteMultipartUpload'), REFUSED)],
    [
      'sources that have changed',
      (bucket, round) =>
        beforeNth(20, matching('GetObject', RAW), () => {
          putAll(bucket, round);
        }),
    ],
  ];
  it.each(breaking)('are all free again after a run that failed by %s', async (_, hookOf) => {
    await using bucket = await openTestBucket({ concurrency: 2, outputsInFlight: 1 });
    putAll(bucket, 0);
    const connection = bucket.connect({}, { timeouts: { retries: 50 } });
    // More often than there are connections.
    for (let round = 1; round <= 9; round++) {
      bucket.sandbox.hook = hookOf(bucket, round);
      // A fault that lasts is not tried again for long.
      await failureOf(bucket.roll({ connection }));
      await eventually(() => {
        expect(bucket.sandbox.stats().inFlight).toBe(0);
      });
      expect(connection.gauge.connections).toBeLessThanOrEqual(maxSockets(bucket.settings));
    }
    bucket.sandbox.hook = undefined;
    // With all of its connections lost, this could not end.
    expect(await bucket.roll({ connection })).toMatchObject({ status: 'committed', objects: SOURCES });
    await bucket.expectSound();
  });
});

describe('a limit of time', () => {
  it('cuts a body that stalls, and its download is begun anew', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(100);
    const connection = bucket.connect({}, { timeouts: { bodyIdle: 1_500 } });
    bucket.sandbox.hook = (() => {
      let seen = 0;
      return ({ operation, key = '' }: SandboxRequest) =>
        operation === 'GetObject' && key.startsWith(RAW) && ++seen % 40 === 0
          ? ({ kind: 'stall', afterBytes: 2_000 } as const)
          : undefined;
    })();
    const result = await bucket.roll({ connection });
    expect(result).toMatchObject({ status: 'committed', objects: 100 });
    expect(result.requests.retries).toBeGreaterThanOrEqual(2);
    bucket.sandbox.hook = undefined;
    await bucket.expectSound();
  });

  it('ends the run where a body stalls every time, and the error has its key', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(30);
    const key = `${RAW}00007.log`;
    bucket.sandbox.hook = fromNth(1, matching('GetObject', key), { kind: 'stall', afterBytes: 10 });
    const connection = bucket.connect({}, { timeouts: { bodyIdle: 500, retries: 100 } });
    expect(await failureOf(bucket.roll({ connection }))).toMatchObject({ code: 'BodyStalled', key });
    expect(bucket.isCommitted).toBe(false);
  });

  it('ends a request that is never answered, and it is sent anew', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(30);
    let hung = 0;
    bucket.sandbox.hook = ({ operation }) =>
      operation === 'GetObject' && hung++ === 12 ? { kind: 'hang' } : undefined;
    const connection = bucket.connect({}, { timeouts: { headers: 2_000 } });
    const result = await bucket.roll({ connection });
    expect(result).toMatchObject({ status: 'committed', objects: 30 });
    expect(result.requests.retries).toBeGreaterThanOrEqual(1);
    await bucket.expectSound();
  });

  it('that has run out lets no further output begin, and the next run reuses what is written', async () => {
    await using bucket = await openTestBucket({ outputsInFlight: 1 });
    bucket.putHour(400);
    let written = 0;
    const report = (event: { type: string }): void => {
      if (event.type === 'output') written++;
    };
    const result = await bucket.roll({ report, hasTime: () => written < 2 });
    // What it tells of is what was brought about; how much more there is, the listing was not read to find out.
    expect(result).toMatchObject({ status: 'incomplete', outputs: 2, written: 2, manifest: null });
    expect(result.objects).toBeLessThan(400);
    expect(bucket.isCommitted).toBe(false);
    expect(bucket.stored()).toHaveLength(2);
    const second = await bucket.roll();
    expect(second).toMatchObject({ status: 'committed', objects: 400, reused: 2 });
    expect(second.written).toBe(second.outputs - 2);
    await bucket.expectSound();
  });

  it('that has run out before the first output lets nothing be committed', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(10);
    expect(await bucket.roll({ hasTime: () => false })).toMatchObject({ status: 'incomplete', written: 0 });
    expect(bucket.stored()).toEqual([]);
    expect(bucket.downloads()).toEqual([]);
  });
});
