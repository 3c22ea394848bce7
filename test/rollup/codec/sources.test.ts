import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Settings } from '../../../lambda/settings/table.ts';
import { MiB } from '../../../lambda/size.ts';
import {
  BUCKET,
  RAW,
  failureOf,
  joinedInKeyOrder,
  logLines,
  openTestBucket,
} from '../../support/test-bucket.ts';
import { membersOf } from './members.ts';
import { textOf } from './raw-hour.ts';

const LINE = Buffer.from('a line\n');
const BINARY = Buffer.from([0, 1, 2, 3]);

/** The beginnings of files of other formats. */
const BY_NAME: Record<string, Buffer> = {
  'a.bz2': Buffer.from('BZh91AY&SY\x00\x01', 'latin1'),
  'a.log.xz': Buffer.from('fd377a585a000004', 'hex'),
};

function asNamed(name: string, text: Buffer): Buffer {
  if (name.endsWith('.gz')) return gzipSync(text);
  return name.endsWith('.zst') ? zstdCompressSync(text) : text;
}

describe('with a codec, a source', () => {
  it.each<[string, string, Buffer, string | undefined]>([
    ['gzip by its Content-Encoding', 'a.log', gzipSync(LINE), 'gzip'],
    ['gzip by both', 'a.log.gz', gzipSync(LINE), 'gzip'],
    ['gzip by an old name', 'a.log', gzipSync(LINE), 'X-GZIP'],
    ['zstd by its Content-Encoding', 'a.log', zstdCompressSync(LINE), 'zstd'],
    ['gzip beside what S3 adds by itself', 'a.log', gzipSync(LINE), 'aws-chunked,gzip'],
    ['gzip by its key', 'a.GZ', gzipSync(LINE), undefined],
    ['zstd by its key', 'a.zst', zstdCompressSync(LINE), undefined],
    ['plain text', 'a', LINE, undefined],
    ['plain text that says so', 'a.log', LINE, 'identity'],
    ['gzip by its bytes alone', 'a.log', gzipSync(LINE), undefined],
    ['gzip by its bytes, against its key', 'a.zst', gzipSync(LINE), undefined],
    ['zstd by its bytes, against both', 'a.gz', zstdCompressSync(LINE), 'gzip'],
    ['plain text, against its key', 'a.gz', LINE, undefined],
    ['plain text, against its Content-Encoding', 'a.log', LINE, 'gzip, gzip'],
    ['plain text under a key that ends as Brotli does', 'www.example.com.br', LINE, undefined],
  ])('is known: %s', async (_, name, body, encoding) => {
    await using bucket = await openTestBucket({ codec: 'none' });
    bucket.put(name, body, { headers: encoding === undefined ? {} : { 'content-encoding': encoding } });
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 1 });
    expect(bucket.outputs().map(({ body: text }) => text.toString())).toEqual([LINE.toString()]);
    const [source] = await bucket.sources();
    expect(source?.encoding).toBe({ 0x1f: 'gzip', 0x28: 'zstd' }[body[0] ?? 0]);
    expect(source?.length).toBe(LINE.length);
    await bucket.expectSound();
  });

  it.each<[string, string, Buffer, string | undefined, string, RegExp]>([
    ['says gzip and is neither that nor text', 'a.gz', BINARY, undefined, 'SourceCorrupt', /begin as gzip/],
    ['is encoded as gzip and is neither', 'a.log', BINARY, 'gzip', 'SourceCorrupt', /begin as gzip/],
    ['is Brotli', 'a.log', brotliCompressSync(LINE), 'br', 'SourceNotJoinable', /is Brotli/],
    ['is Brotli by its key', 'a.br', brotliCompressSync(LINE), undefined, 'SourceNotJoinable', /is Brotli/],
    ['has a coding of its own', 'a.log', BINARY, 'exi', 'SourceNotJoinable', /is exi/],
    ['is one byte that says gzip', 'a.gz', Buffer.from([0x1f]), undefined, 'SourceCorrupt', /as gzip/],
  ])('ends the run where it %s', async (_, name, body, encoding, code, why) => {
    await using bucket = await openTestBucket({ codec: 'gzip' });
    bucket.put('0.log', LINE);
    bucket.put(name, body, { headers: encoding === undefined ? {} : { 'content-encoding': encoding } });
    const failure = await failureOf(bucket.roll());
    expect(failure).toMatchObject({ code, key: RAW + name });
    expect(failure.message).toMatch(why);
    expect(bucket.stored()).toEqual([]);
  });

  it('that cannot be decoded is named while many others still wait for their download', async () => {
    await using bucket = await openTestBucket({ codec: 'gzip', concurrency: 2 });
    for (let i = 10; i < 60; i++) bucket.put(`${i}.log.gz`, gzipSync(LINE));
    bucket.put('20.log.gz', BINARY);
    expect(await failureOf(bucket.roll())).toMatchObject({ code: 'SourceCorrupt', key: `${RAW}20.log.gz` });
    expect(bucket.stored()).toEqual([]);
    bucket.put('20.log.gz', gzipSync(LINE));
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 50 });
    await bucket.expectSound();
  });

  it.each(['a.bz2', 'a.log.xz'])('%s is refused before the first download', async (name) => {
    await using bucket = await openTestBucket({ codec: 'zstd' });
    bucket.put('0.log', LINE);
    bucket.put(name, BY_NAME[name] ?? '');
    expect(await failureOf(bucket.roll())).toMatchObject({ code: 'SourceNotDecodable', key: RAW + name });
    expect(bucket.stored()).toEqual([]);
    expect(bucket.requests('PutObject')).toEqual([]);
  });
});

describe('the extension of outputs with a codec', () => {
  it.each<[Settings['codec'], string[], RegExp]>([
    ['gzip', ['a.json', 'b.json.gz', 'c.json.zst'], /\.json\.gz$/],
    ['zstd', ['a.json', 'b.json.gz'], /\.json\.zst$/],
    ['none', ['a.json.gz', 'b.json'], /[0-9a-f]\.json$/],
    ['none', ['a.gz', 'b.log'], /[0-9a-f]\.log$/],
    ['gzip', ['a.json', 'b.log'], /[0-9a-f]\.log\.gz$/],
  ])('with %s, of %j: %s', async (codec, names, extension) => {
    await using bucket = await openTestBucket({ codec });
    for (const name of names) {
      bucket.put(name, asNamed(name, LINE));
    }
    await bucket.roll();
    expect(bucket.outputs().map(({ key }) => extension.test(key))).toEqual([true]);
  });
});

describe('sources of no text', () => {
  it.each<Settings['codec']>(['none', 'gzip', 'zstd'])(
    'alone, with %s, are an output of no text',
    async (codec) => {
      await using bucket = await openTestBucket({ codec });
      bucket.put('a.gz', gzipSync(''));
      bucket.put('b.zst', zstdCompressSync(''));
      expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 2, outputs: 1 });
      expect(textOf(bucket)).toEqual(Buffer.alloc(0));
      expect(await bucket.roll()).toMatchObject({ status: 'unchanged' });
      await bucket.expectSound();
      // Once among others, and once out of a committed output.
      bucket.put('c.log', 'no newline');
      bucket.remove('a.gz');
      bucket.remove('b.zst');
      expect(await bucket.roll({ repack: true })).toMatchObject({ status: 'committed', objects: 3 });
      expect(textOf(bucket).toString()).toBe('no newline\n');
      await bucket.expectSound();
    },
  );
});

describe('large sources', () => {
  it('are downloaded in ranges and have outputs of their own, in the memory that the settings give', async () => {
    await using bucket = await openTestBucket({ codec: 'gzip', newline: 'ensure' });
    const text = logLines(40 * MiB).subarray(0, -1);
    const random = Buffer.from(
      logLines(8 * MiB).map((byte, i) => (i % 97 === 96 ? 0x0a : (byte * i * 31) & 0x7f)),
    );
    const bodies: [string, Buffer][] = [
      ['0.log', LINE],
      ['1.log', text],
      ['2.log.gz', random],
      ['3.log', LINE],
      ['4.log.zst', text.subarray(0, 30 * MiB)],
    ];
    for (const [name, body] of bodies) {
      bucket.put(name, asNamed(name, body));
    }
    const result = await bucket.roll();
    expect(result).toMatchObject({ status: 'committed', objects: 5 });
    expect(result.peak.inFlightBytes).toBeLessThanOrEqual(2 * 9 * MiB);
    const asked = bucket.downloads().map(({ key = '' }) => key);
    expect(asked.filter((key) => key === `${RAW}1.log`).length).toBeGreaterThan(30);
    expect(textOf(bucket).equals(joinedInKeyOrder(bodies))).toBe(true);
    for (const { body } of bucket.outputs()) expect(membersOf(body)).toBe(1);
    await bucket.expectSound();
  });
});

describe('a source that changes while it is read', () => {
  it('ends the run, and the next run rolls it up as it is then', async () => {
    await using bucket = await openTestBucket({ codec: 'gzip' });
    bucket.put('1.log', logLines(6 * MiB));
    let asked = 0;
    bucket.sandbox.hook = ({ operation, key = '' }) => {
      if (operation === 'GetObject' && key === `${RAW}1.log` && ++asked === 4) bucket.put('1.log', 'changed');
      return undefined;
    };
    expect(await failureOf(bucket.roll())).toMatchObject({ code: 'SourceChanged', key: `${RAW}1.log` });
    expect(bucket.isCommitted).toBe(false);
    expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
    bucket.sandbox.hook = undefined;
    expect(await bucket.roll()).toMatchObject({ status: 'committed' });
    expect(textOf(bucket).toString()).toBe('changed\n');
  });
});
