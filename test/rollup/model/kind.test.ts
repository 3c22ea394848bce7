import { describe, expect, it } from 'vitest';
import { commonExtension, extensionOf, kindOf } from '../../../lambda/rollup/model/kind.ts';

describe.each([
  ['a/app.log', 'plain', '.log'],
  ['a/app', 'plain', ''],
  ['a/app.log.3', 'plain', ''],
  ['a/2026-11-21T08.15.00Z', 'plain', ''],
  ['a.gz/app', 'plain', ''],
  ['a/', 'plain', ''],
  ['', 'plain', ''],
  ['a/app.log.gz', 'gzip', '.log.gz'],
  ['a/app.LOG.GZ', 'gzip', '.log.gz'],
  ['a/app.gz', 'gzip', '.gz'],
  ['a/.gz', 'gzip', '.gz'],
  ['a/app.json.zst', 'zstd', '.json.zst'],
  ['a/app\nb.json.gz', 'gzip', '.json.gz'],
  ['a/app\u2028.parquet', undefined, '.parquet'],
  ['a/app.bz2', 'bzip2', '.bz2'],
  ['a/app.xz', 'xz', '.xz'],
  ['a/app.gz.log', 'plain', '.log'],
  ['a/app.parquet', undefined, '.parquet'],
  ['a/.parquet', undefined, '.parquet'],
  ['a/app.snappy.parquet', undefined, '.parquet'],
  ['a/app.PARQUET', undefined, '.parquet'],
  ['a/app.orc', undefined, '.orc'],
  ['a/app.avro', undefined, '.avro'],
  ['a/app.zip', undefined, '.zip'],
  ['a/app.tar', undefined, '.tar'],
  ['a/app.7z', undefined, '.7z'],
  ['a/app.tar.gz', undefined, '.tar.gz'],
  ['a/app.tgz', undefined, '.tgz'],
  ['a/app.parquet.log', 'plain', '.log'],
  // A name that every object inherits, in case kinds are looked up in a plain object.
  ['a/app.constructor', 'plain', '.constructor'],
])('%s', (key, kind, extension) => {
  it(`is ${kind ?? 'not joinable'}, with the extension "${extension}"`, () => {
    expect([kindOf(key), extensionOf(key)]).toEqual([kind, extension]);
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
  expect(kindOf(`part${extension}`)).toBe(kind);
});
