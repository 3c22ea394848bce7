import { describe, expect, it } from 'vitest';
import { expectedFormat, nameOf } from '../../../lambda/rollup/model/format.ts';
import { KINDS, commonExtension, extensionOf, isUtf16 } from '../../../lambda/rollup/model/kind.ts';

describe.each([
  ['a/app.log', 'plain text', '.log'],
  ['a/app', 'plain text', ''],
  ['a/app.log.3', 'plain text', ''],
  ['a/2026-11-21T08.15.00Z', 'plain text', ''],
  ['a.gz/app', 'plain text', ''],
  ['a/', 'plain text', ''],
  ['', 'plain text', ''],
  ['a/app.log.gz', 'gzip', '.log'],
  ['a/app.LOG.GZ', 'gzip', '.log'],
  ['a/app.gz', 'gzip', ''],
  ['a/app.json.gzip', 'gzip', '.json'],
  ['a/.gz', 'gzip', ''],
  ['a/app.json.zst', 'zstd', '.json'],
  ['a/app\nb.json.gz', 'gzip', '.json'],
  ['a/app\u2028.parquet', 'Parquet', ''],
  ['a/app.bz2', 'bzip2', ''],
  ['a/app.xz', 'xz', ''],
  ['a/app.gz.log', 'plain text', '.log'],
  ['a/app.gz.1', 'plain text', ''],
  ['a/app.gz_20261121', 'plain text', ''],
  ['a/app.parquet', 'Parquet', ''],
  ['a/.parquet', 'Parquet', ''],
  ['a/app.snappy.parquet', 'Parquet', ''],
  ['a/app.PARQUET', 'Parquet', ''],
  ['a/app.orc', 'ORC', ''],
  ['a/app.avro', 'Avro', ''],
  ['a/app.zip', 'ZIP', ''],
  ['a/app.tar', 'tar', ''],
  ['a/app.7z', '7z', ''],
  ['a/app.tar.gz', 'tar', ''],
  ['a/app.tgz', 'tar', ''],
  ['a/www.example.com.br', 'Brotli', ''],
  ['a/www.example.com.br.gz', 'gzip', ''],
  ['a/app.parquet.log', 'plain text', '.log'],
  // A name that every object inherits, in case kinds are looked up in a plain object.
  ['a/app.constructor', 'plain text', '.constructor'],
])('%s', (key, format, extension) => {
  it(`is expected to be ${format}, with the extension "${extension}" as text`, () => {
    expect([nameOf(expectedFormat(key)), extensionOf(key, 'plain')]).toEqual([format, extension]);
    expect(extensionOf(key, 'gzip')).toBe(`${extension}.gz`);
  });
});

it.each([
  ['plain', '.log'],
  ['gzip', '.log.gz'],
  ['zstd', '.log.zst'],
  ['bzip2', '.log.bz2'],
  ['xz', '.log.xz'],
] as const)('the common extension of %s is %s, and of that kind again', (kind, extension) => {
  expect(commonExtension(kind)).toBe(extension);
  expect(expectedFormat(`part${extension}`)).toEqual({ kind });
});

it('the extension of every kind but text names it', () => {
  for (const kind of KINDS.filter((one) => one !== 'plain' && !isUtf16(one)))
    expect(expectedFormat(`part${extensionOf('a/www.example.com.br', kind)}`)).toEqual({ kind });
});
