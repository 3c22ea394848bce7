import { describe, expect, it } from 'vitest';
import { copySource, decodeKey, formatRange, quoteEtag, unquoteEtag } from '../../lambda/s3/conditions.ts';

describe('in requests and responses', () => {
  it.each([
    ['"abc"', 'abc'],
    ['"abc-3"', 'abc-3'],
    ['abc', 'abc'],
    [undefined, ''],
  ])('the ETag %j is %j', (wire, etag) => {
    expect(unquoteEtag(wire)).toBe(etag);
    expect(unquoteEtag(quoteEtag(etag))).toBe(etag);
  });

  it('a range names its last byte', () => {
    expect(formatRange({ offset: 100, length: 50 })).toBe('bytes=100-149');
    expect(formatRange({ offset: 0, length: 1 })).toBe('bytes=0-0');
  });

  it('keys of a listing are form-encoded', () => {
    expect(decodeKey('a+b%2Bc%20%0A%F0%9F%98%80%25', 'url')).toBe('a b+c \n😀%');
    expect(decodeKey('a+b%2Bc 100%', undefined)).toBe('a+b%2Bc 100%');
    expect(decodeKey(undefined, 'url')).toBe('');
  });

  it('a copy source keeps its slashes', () => {
    expect(copySource('b', 'a/b c+d?e#f%/😀')).toBe('b/a/b%20c%2Bd%3Fe%23f%25/%F0%9F%98%80');
  });
});
