import { describe, expect, it } from 'vitest';
import {
  baseOf,
  formatLocation,
  isNameOfToday,
  parseLocation,
  parseSource,
  refuseOverlap,
} from '../../../lambda/rollup/model/location.ts';

describe('location', () => {
  it.each([
    ['s3://b/a/b/', 'b', 'a/b/', 's3://b/a/b/'],
    ['s3://b/a/b', 'b', 'a/b/', 's3://b/a/b/'],
    ['s3://b', 'b', '', 's3://b/'],
    ['s3://b/', 'b', '', 's3://b/'],
    ['s3://b/a b+%2F?#=&😀/', 'b', 'a b+%2F?#=&😀/', 's3://b/a b+%2F?#=&😀/'],
    ['s3://b/a..b/...', 'b', 'a..b/.../', 's3://b/a..b/.../'],
    ['s3://b/a\nb/', 'b', 'a\nb/', 's3://b/a\nb/'],
    ['s3://b//AWSLogs//x/', 'b', '/AWSLogs//x/', 's3://b//AWSLogs//x/'],
    ['s3://b//', 'b', '/', 's3://b//'],
    ['s3://My_Old.Bucket-1/x/', 'My_Old.Bucket-1', 'x/', 's3://My_Old.Bucket-1/x/'],
    [
      's3://arn:aws:s3:eu-west-1:111122223333:accesspoint/logs/a/b/',
      'arn:aws:s3:eu-west-1:111122223333:accesspoint/logs',
      'a/b/',
      's3://arn:aws:s3:eu-west-1:111122223333:accesspoint/logs/a/b/',
    ],
    [
      's3://arn:aws-us-gov:s3:us-gov-west-1:111122223333:accesspoint/logs',
      'arn:aws-us-gov:s3:us-gov-west-1:111122223333:accesspoint/logs',
      '',
      's3://arn:aws-us-gov:s3:us-gov-west-1:111122223333:accesspoint/logs/',
    ],
    [
      's3://logs-0123456789abcdefghij-s3alias/a/',
      'logs-0123456789abcdefghij-s3alias',
      'a/',
      's3://logs-0123456789abcdefghij-s3alias/a/',
    ],
  ])('parses %j', (uri, bucket, prefix, formatted) => {
    expect(parseLocation(uri)).toEqual({ bucket, prefix });
    expect(formatLocation({ bucket, prefix })).toBe(formatted);
    expect(parseLocation(formatted)).toEqual({ bucket, prefix });
  });

  it.each([
    ['logs', true],
    ['my.logs-1', true],
    ['arn:aws:s3:eu-west-1:111122223333:accesspoint/logs', true],
    ['My_Old.Bucket-1', false],
    ['ab', false],
    ['logs-', false],
    ['a..b', false],
    ['192.168.0.1', false],
    ['a'.repeat(63), true],
    ['a'.repeat(64), false],
  ])('%s is a name that S3 gives a bucket today: %s', (bucket, is) => {
    expect(isNameOfToday(bucket)).toBe(is);
  });

  it.each([
    ['s3://b/cf/E2EXAMPLE.2026-11-21-08', 'cf/E2EXAMPLE.2026-11-21-08', 'cf/'],
    ['s3://b/raw/08/', 'raw/08/', 'raw/08/'],
    ['s3://b/2026-11-21-08-', '2026-11-21-08-', ''],
    ['s3://b//AWSLogs//1', '/AWSLogs//1', '/AWSLogs//'],
    ['s3://b/', '', ''],
    ['s3://b', '', ''],
  ])('takes the source %s as it is written; names are behind its last slash', (uri, prefix, base) => {
    expect(parseSource(uri)).toEqual({ bucket: 'b', prefix });
    expect(baseOf(prefix)).toBe(base);
    expect(parseSource(formatLocation({ bucket: 'b', prefix }))).toEqual({ bucket: 'b', prefix });
  });

  it.each([
    ['', 'must look like'],
    ['b/a/', 'must look like'],
    ['s3:/b/a/', 'must look like'],
    ['S3://b/a/', 'must look like'],
    ['https://b.s3.amazonaws.com/a/', 'must look like'],
    [' s3://b/a/', 'must look like'],
    ['s3://', 'is not a bucket name'],
    ['s3:///a/', 'is not a bucket name'],
    ['s3://-b/a/', 'is not a bucket name'],
    ['s3://b c/a/', 'is not a bucket name'],
    [
      's3://arn:aws:s3::111122223333:accesspoint/mrap.mrap/a/',
      'nor the ARN of an access point of one region',
    ],
    ['s3://arn:aws:s3:eu-west-1:111122223333:bucket/a/', 'nor the ARN'],
    ['s3://b/a/../c/', '".." segment'],
    ['s3://b/./a/', '"." or'],
    ['s3://b/raw/{HH}/', 'give an hour'],
    ['s3://b/raw/}/', 'give an hour'],
  ])('refuses %j', (uri, why) => {
    expect(() => parseLocation(uri)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
    expect(() => parseLocation(uri)).toThrow(why);
    expect(() => parseLocation(uri)).toThrow(`"${uri}"`);
  });

  it.each([
    ['s3://b/a/', 's3://b/a/', 'are the same'],
    ['s3://b/a/', 's3://b/a/b/', 'the destination is inside the source'],
    ['s3://b/a/b/', 's3://b/a/', 'the source is inside the destination'],
    ['s3://b', 's3://b/a/', 'the destination is inside the source'],
    ['s3://b/a/', 's3://b', 'the source is inside the destination'],
    ['s3://b', 's3://b/', 'are the same'],
  ])('%s and %s overlap', (source, destination, why) => {
    expect(() => {
      refuseOverlap(parseLocation(source), parseLocation(destination));
    }).toThrow(why);
  });

  it.each([
    ['s3://b/logs', 's3://b/logs-rolled/', 's3://b/logs/'],
    ['s3://b/aggregated/08', 's3://b/aggregated/', undefined],
    ['s3://b/cf/E2.2026', 's3://b/cf/E2.2026-11/rolled/', 's3://b/cf/E2.2026/'],
  ])('the source %s takes in %s, or lies in it', (source, destination, hint) => {
    const check = (): void => {
      refuseOverlap(parseSource(source), parseLocation(destination));
    };
    expect(check).toThrow('overlap: the ');
    if (hint === undefined) expect(check).not.toThrow('folder alone');
    else expect(check).toThrow(`For the folder alone, write ${hint} as the source.`);
  });

  it.each([
    ['s3://b/a/', 's3://c/a/'],
    ['s3://b/a/', 's3://b/ab/'],
    ['s3://b/raw/app/', 's3://b/aggregated/app/'],
  ])('%s and %s do not overlap', (source, destination) => {
    refuseOverlap(parseLocation(source), parseLocation(destination));
    refuseOverlap(parseLocation(destination), parseLocation(source));
  });
});
