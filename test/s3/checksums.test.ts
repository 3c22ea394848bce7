import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checksumParams, parseChecksum } from '../../lambda/s3/checksums.ts';
import { crc32Of, crc64Of } from '../support/checksums.ts';

describe('in requests and responses', () => {
  it('a checksum reads back as itself', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom(crc32Of, crc64Of), (bytes, sumOf) => {
        expect(parseChecksum(checksumParams(sumOf(bytes)))).toEqual(sumOf(bytes));
      }),
    );
  });

  it('a checksum is the base64 of its bytes', () => {
    expect(checksumParams({ algorithm: 'crc32', digits: '3610a686' })).toEqual({ ChecksumCRC32: 'NhCmhg==' });
    // The check value of the algorithm.
    expect(checksumParams(crc64Of('123456789'))).toEqual({ ChecksumCRC64NVME: 'rosUhgp5mIg=' });
  });

  it.each([undefined, '', 'NhCmhg==-3', 'NhCmhg', 'NhCmhgAA', 'NhCmhg==\n', 'rosUhgp5mIg=-2', 'rosUhgp5mIg'])(
    '%j is no checksum of a whole object',
    (text) => {
      expect(parseChecksum({ ChecksumCRC32: text, ChecksumCRC64NVME: text })).toBeUndefined();
    },
  );
});
