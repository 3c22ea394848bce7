import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { deleteSources } from '../../../lambda/rollup/commit/delete-sources.ts';
import type { Store } from '../../../lambda/rollup/model/store.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  RAW,
  SOURCE,
  type TestBucket,
  failureOf,
  logLines,
  openTestBucket,
} from '../../support/test-bucket.ts';

interface Line {
  key: string;
  etag: string;
  size: number;
  output: string;
  offset: number;
  length: number;
}

/** Rewrites the index of sources, and the count that the manifest has of its lines. */
function forgeIndex(bucket: TestBucket, edit: (lines: Line[]) => Line[]): void {
  const { manifest } = bucket;
  const { key } = manifest.sources;
  const text = gunzipSync(bucket.sandbox.get(BUCKET, key) ?? Buffer.alloc(0)).toString();
  const lines = edit(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line),
  );
  bucket.sandbox.put(BUCKET, key, gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
  const forged = { ...manifest, sources: { key, count: lines.length } };
  bucket.sandbox.put(BUCKET, MANIFEST_KEY, Buffer.from(JSON.stringify(forged)));
}

function contextOf({ connection, settings }: TestBucket) {
  const { store, raw } = connection;
  return {
    ...{ store, raw, concurrency: settings.concurrency, outputsInFlight: 2, proven: undefined },
    ...{ report: () => undefined, hasTime: () => true, signal: new AbortController().signal },
  };
}

/** A source in raw that no output holds, and the line of the index that says that one does. */
function forgedSource(bucket: TestBucket, lines: Line[]): Line {
  bucket.put('victim.log', 'never rolled up\n');
  const etag = bucket.sandbox.head(BUCKET, `${RAW}victim.log`)?.etag ?? '';
  return { ...(lines[0] as Line), key: `${RAW}victim.log`, etag, size: 16, length: 16 };
}

describe('a source stays in raw that the index gives to an output which does not hold it', () => {
  it.each<[string, (forged: Line, lines: Line[]) => Line[]]>([
    ['behind the lines of another output', (forged, lines) => [...lines, forged]],
    ['among the lines of the output', (forged, lines) => [forged, ...lines]],
  ])('%s', async (_, insert) => {
    await using bucket = await openTestBucket();
    bucket.putHour(3);
    bucket.put('z.log.gz', gzipSync('zzz'));
    await bucket.roll();
    forgeIndex(bucket, (lines) => insert(forgedSource(bucket, lines), lines));
    await bucket.roll({ deleteSource: true });
    expect(bucket.sandbox.get(BUCKET, `${RAW}victim.log`)?.toString()).toBe('never rolled up\n');
  });

  it('although this run wrote the output, where index and manifest were replaced since its commit', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(3);
    let forged = false;
    bucket.sandbox.hook = ({ operation, key }) => {
      if (forged || operation !== 'GetObject' || key !== MANIFEST_KEY || !bucket.isCommitted)
        return undefined;
      forged = true;
      forgeIndex(bucket, (lines) => [forgedSource(bucket, lines), ...lines]);
      return undefined;
    };
    await bucket.roll({ deleteSource: true });
    expect(forged).toBe(true);
    expect(bucket.sandbox.get(BUCKET, `${RAW}victim.log`)?.toString()).toBe('never rolled up\n');
  });
});

describe('proofs before sources are deleted', () => {
  it('take no more requests at once than concurrency allows', async () => {
    await using bucket = await openTestBucket({ concurrency: 4 });
    for (let i = 0; i < 60; i++) bucket.put(`${String(i).padStart(3, '0')}.log`, logLines(2_000 + i));
    await bucket.roll({ settings: { ...bucket.settings, groupBy: '(\\d)\\.log$' } });
    let running = 0;
    let peak = 0;
    const counted = async <T>(request: () => Promise<T>): Promise<T> => {
      peak = Math.max(peak, ++running);
      try {
        return await request();
      } finally {
        running--;
      }
    };
    const { raw } = bucket.connection;
    const counting = new Proxy<Store>(raw, {
      get: (target, name) => {
        if (name === 'head') return (at: Parameters<Store['head']>[0]) => counted(() => target.head(at));
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
    const { deleted } = await deleteSources(SOURCE, DESTINATION, {
      ...contextOf(bucket),
      raw: counting,
      concurrency: 4,
    });
    expect(deleted).toMatchObject({ objects: 60, complete: true });
    expect(peak).toBeLessThanOrEqual(4);
  });

  it('keep what they came to where time runs out: round after round deletes something', async () => {
    await using bucket = await openTestBucket({ codec: 'gzip' });
    for (let i = 0; i < 60; i++) bucket.put(`${String(i).padStart(3, '0')}.log`, logLines(2_000 + i));
    await bucket.roll({ settings: { ...bucket.settings, groupBy: '(\\d)\\.log$' } });
    let left = 60;
    for (let round = 0; left > 0 && round < 60; round++) {
      let calls = 0;
      const { deleted } = await deleteSources(SOURCE, DESTINATION, {
        ...{ ...contextOf(bucket), concurrency: 1 },
        hasTime: () => ++calls < 30,
      });
      expect(deleted.objects).toBeGreaterThan(0);
      left -= deleted.objects;
    }
    expect(bucket.sandbox.keys(BUCKET, RAW)).toEqual([]);
  });

  it('do not call damaged what another run has replaced', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(3);
    await bucket.roll();
    const [output = ''] = bucket.manifest.outputs.map(({ key }) => key);
    let replaced = false;
    bucket.sandbox.hook = async ({ operation, key }) => {
      if (replaced || operation !== 'HeadObject' || key !== output) return undefined;
      replaced = true;
      await bucket.roll({ repack: true, connection: bucket.connect() });
      return undefined;
    };
    const { deleted, problems } = await deleteSources(SOURCE, DESTINATION, contextOf(bucket));
    expect(problems).toEqual([]);
    expect(deleted).toMatchObject({ objects: 3, complete: true });
  });

  it('begin no other request once one has failed', async () => {
    await using bucket = await openTestBucket({ concurrency: 2 });
    for (let i = 0; i < 60; i++) bucket.put(`${String(i).padStart(3, '0')}.log`, logLines(2_000 + i));
    await bucket.roll({ settings: { ...bucket.settings, groupBy: '(\\d\\d)\\.log$' } });
    const forbidden = bucket.manifest.outputs[4]?.key ?? '';
    bucket.sandbox.hook = ({ operation, key }) =>
      operation === 'HeadObject' && key === forbidden
        ? { kind: 'error', status: 403, code: 'AccessDenied' }
        : undefined;
    bucket.sandbox.clearRequests();
    const failure = await failureOf(
      deleteSources(SOURCE, DESTINATION, { ...contextOf(bucket), concurrency: 2 }),
    );
    expect(failure.code).toBe('AccessDenied');
    expect(bucket.requests('HeadObject', AGGREGATED).length).toBeLessThan(20);
  });
});
