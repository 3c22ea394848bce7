import { describe, expect, it } from 'vitest';
import { createGzip, gzipSync } from 'node:zlib';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { MOST_MANIFEST } from '../../../lambda/rollup/model/manifest.ts';
import { readManifest } from '../../../lambda/rollup/committed/read-manifest.ts';
import { planRollup } from '../../../lambda/rollup/plan/planner.ts';
import { planFiles } from '../../../lambda/rollup/fan-out/plan-file.ts';
import { readHeader } from '../../../lambda/rollup/fan-out/plan-store.ts';
import { formatSidecar, parseSidecar } from '../../../lambda/rollup/codec/sidecar.ts';
import { MOST_LINE, readSources } from '../../../lambda/rollup/committed/source-lines.ts';
import { MiB } from '../../../lambda/size.ts';
import { SIDES, listed } from '../../support/planning.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  failureOf,
  openTestBucket,
} from '../../support/test-bucket.ts';

const SOURCE_OF_LINE = {
  key: 'raw/a.log',
  etag: 'e',
  size: 1,
  lastModified: '',
  output: 'part-0',
  offset: 0,
  length: 1,
};
const LINE = `${JSON.stringify(SOURCE_OF_LINE)}\n`;

/** A number of copies of some bytes, gzipped as a stream: their text is never in memory as a whole. */
function bomb(of: Buffer, copies: number): Promise<Buffer> {
  return buffer(Readable.from(Array.from({ length: copies }, () => of)).pipe(createGzip({ level: 9 })));
}

/** Reads an index of 1,000 sources in slices, and counts the slices that were read. */
async function read(gzip: Buffer, count = 1000) {
  let slices = 0;
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < gzip.length; at += 1024) {
      slices++;
      yield await Promise.resolve(gzip.subarray(at, at + 1024));
    }
  }
  const failure = await failureOf(Array.fromAsync(readSources(chunks(), { key: 'the index', count })));
  return { failure, slices };
}

describe('reading an index', () => {
  it.each<[name: string, content: () => Promise<Buffer>, why: string]>([
    ['blank lines without end', () => bomb(Buffer.alloc(MiB, '\n'), 300), 'line 1 is empty'],
    [
      'a line without end',
      () => bomb(Buffer.alloc(MiB, 'a'), 300),
      `line 1 is longer than ${MOST_LINE} bytes`,
    ],
    [
      'more lines than it has',
      () => bomb(Buffer.from(LINE.repeat(10_000)), 30),
      'it has 1001 lines or more where the manifest says 1000',
    ],
    ['one with a blank line', () => Promise.resolve(gzipSync(`${LINE}\n${LINE}`)), 'line 2 is empty'],
  ])('ends at the first bad line of %s', async (_, content, why) => {
    const gzip = await content();
    const { failure, slices } = await read(gzip);
    expect(failure).toMatchObject({ code: 'BadManifest', key: 'the index' });
    expect(failure.message).toContain(why);
    expect(slices).toBe(1);
  });

  it('yields lines that begin in one chunk of the text and end in the next', async () => {
    const all = Array.from({ length: 20_000 }, (_, i) => ({
      ...SOURCE_OF_LINE,
      key: `raw/${i}.log`,
      offset: i,
    }));
    const gzip = gzipSync(all.map((line) => `${JSON.stringify(line)}\n`).join(''));
    async function* chunks(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(gzip);
    }
    const batches = await Array.fromAsync(readSources(chunks(), { key: 'the index', count: all.length }));
    expect(batches.length).toBeGreaterThan(10);
    expect(batches.flat()).toEqual(all.map((line, ordinal) => ({ ...line, ordinal })));
  });

  it('accepts the longest keys that there are, escaped', async () => {
    const key = '\u0001'.repeat(1024);
    const line = LINE.replace('"raw/a.log"', JSON.stringify(key)).replace('"part-0"', JSON.stringify(key));
    async function* chunks(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(gzipSync(line));
    }
    const [sources] = await Array.fromAsync(readSources(chunks(), { key: 'the index', count: 1 }));
    expect(sources).toMatchObject([{ key, output: key, ordinal: 0 }]);
  });
});

describe('a run ends before it reads on in', () => {
  it('an index that is a bomb of blank lines', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(3);
    await bucket.roll();
    const { key } = bucket.manifest.sources;
    bucket.sandbox.put(BUCKET, key, await bomb(Buffer.alloc(MiB, '\n'), 300));
    expect(await failureOf(bucket.roll())).toMatchObject({ code: 'BadManifest', key });
  });

  it('a manifest that is too large', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(3);
    bucket.sandbox.put(BUCKET, MANIFEST_KEY, Buffer.alloc(MOST_MANIFEST + 1, ' '));
    const failure = await failureOf(bucket.roll());
    expect(failure).toMatchObject({ code: 'BadManifest', key: MANIFEST_KEY });
    expect(failure.message).toContain(`it has ${MOST_MANIFEST + 1} bytes`);
    expect(bucket.stored()).toEqual(['_manifest.json']);
  });

  it('a manifest of 600 MB', async () => {
    await using bucket = await openTestBucket();
    const { store } = bucket.connection;
    const large = Object.assign(Object.create(store) as typeof store, {
      getBounded: () => Promise.resolve({ etag: 'e', size: 600e6, body: undefined }),
    });
    expect(await failureOf(readManifest(large, DESTINATION))).toMatchObject({ code: 'BadManifest' });
  });
});

describe('an object beside outputs', () => {
  it('is no sidecar if it is larger than one for its sources can be', async () => {
    const [output] = planRollup({
      listed: [listed('a.log', 1)],
      committed: undefined,
      ...SIDES,
      settings: { targetSize: 100, newline: 'ensure', codec: 'gzip' },
    }).planned;
    if (output === undefined) throw new Error('Nothing is planned.');
    const text = { size: 1, crc32: 0, sources: [{ length: 1, added: false }] };
    expect(await parseSidecar(await formatSidecar(text), output)).toEqual(text);
    const spaces = gzipSync(' '.repeat(2 * MiB) + JSON.stringify({ version: 1, ...text }));
    expect(await parseSidecar(spaces, output)).toBeUndefined();
  });

  it('is no plan if its header is too large', async () => {
    await using bucket = await openTestBucket();
    const at = { destination: DESTINATION, id: '0123456789abcdef' };
    const { key } = planFiles(at).header;
    bucket.sandbox.put(BUCKET, key, Buffer.alloc(16 * MiB + 1, ' '));
    const etag = bucket.sandbox.head(BUCKET, key)?.etag ?? '';
    const { signal } = new AbortController();
    const failure = await failureOf(readHeader(bucket.connection.store, { at, etag }, signal));
    expect(failure).toMatchObject({ code: 'BadPlan', key });
    expect(failure.message).toContain(`it has more than ${16 * MiB} bytes`);
  });
});

describe('an object of a bounded read', () => {
  it.each([
    ['is read whole', 5, 5],
    ['is not read', 6, undefined],
  ])('%s', async (_, size, read) => {
    await using bucket = await openTestBucket();
    const at = { bucket: BUCKET, key: `${AGGREGATED}x` };
    bucket.sandbox.put(BUCKET, at.key, Buffer.alloc(size));
    const { etag = '' } = bucket.sandbox.head(BUCKET, at.key) ?? {};
    const found = await bucket.connection.store.getBounded(at, 5);
    expect(found).toMatchObject({ etag: etag.replaceAll('"', ''), size, body: read && Buffer.alloc(read) });
    expect(await bucket.connection.store.getBounded({ bucket: BUCKET, key: 'none' }, 5)).toBeUndefined();
  });
});
