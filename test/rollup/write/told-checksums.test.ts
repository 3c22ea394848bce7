import { describe, expect, it } from 'vitest';
import { checksumOf } from '../../../lambda/rollup/model/checksum/checksum.ts';
import type { StatedChecksums } from '../../../lambda/s3/checksums.ts';
import { MiB } from '../../../lambda/size.ts';
import type { Fault } from '../../../sandbox/sandbox.ts';
import {
  DESTINATION,
  RAW,
  type WatchedBucket,
  bodyOf,
  openWatchedBucket,
} from '../../promises/support/watched-bucket.ts';
import { crc64Of } from '../../support/checksums.ts';

/** What an answer tells of an object, or of a part of one. */
interface Told extends StatedChecksums {
  ETag?: string;
  CopyObjectResult?: { ETag?: string } & StatedChecksums;
}

const WRONG = 'AAAAAAAAAAA=';

/** An hour of one output in two parts, of sources that the store gives CRC-64/NVMEs. */
async function openHour(): Promise<WatchedBucket> {
  const bucket = await openWatchedBucket({ targetSize: 8 * MiB });
  bucket.putLog('a.log', bodyOf('a', 1, 5 * MiB - 1_000));
  for (const name of ['b', 'c']) bucket.putLog(`${name}.log`, bodyOf(name, 1, 2_000));
  return bucket;
}

/** Edits what the store tells the connection of the bucket. */
function tell(bucket: WatchedBucket, edit: (told: Told, command: string) => void): void {
  bucket.connection.client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const result = await next(args);
        edit(result.output as Told, String(commandName));
        return result;
      },
    { step: 'initialize', priority: 'high' },
  );
}

/** Rolls the hour up twice, then deletes the sources once they are proven; returns the checksums in the manifest. */
async function roll(bucket: WatchedBucket): Promise<string[]> {
  const { connection } = bucket;
  expect(await bucket.roll({ connection })).toMatchObject({ status: 'committed' });
  expect(bucket.problems()).toEqual([]);
  expect(bucket.objects.keys(DESTINATION.prefix).filter((key) => key.includes('proof'))).toEqual([]);
  const result = await bucket.roll({ connection, deleteSource: true });
  expect(result).toMatchObject({ status: 'unchanged', deleted: { complete: true } });
  expect(bucket.objects.keys(RAW)).toEqual([]);
  return bucket.manifest.outputs.map((output) => checksumOf(output).algorithm);
}

describe('an output in parts has the CRC-64/NVME of a store alone that joins those of parts', () => {
  it.each<[string, Fault]>([
    ['does not know it there', { kind: 'error', status: 400, code: 'InvalidRequest' }],
    ['has not implemented it', { kind: 'error', status: 501, code: 'NotImplemented' }],
    ['takes it for another', { kind: 'error', status: 400, code: 'BadDigest' }],
    ['refuses the parts', { kind: 'error', status: 400, code: 'InvalidPart' }],
  ])('not one whose completion %s', async (_, fault) => {
    await using bucket = await openHour();
    bucket.sandbox.hook = ({ operation, headers }) =>
      operation === 'CompleteMultipartUpload' && 'x-amz-checksum-crc64nvme' in headers ? fault : undefined;
    expect(await roll(bucket)).toEqual(['crc32']);
    expect(bucket.openUploads()).toEqual([]);
  });

  const isOfParts = ({ ETag = '' }: Told): boolean => ETag.includes('-2');
  it.each<[string, (told: Told, command: string) => void]>([
    [
      'another one in its answer and later',
      (told) => {
        if (isOfParts(told) && told.ChecksumCRC64NVME !== undefined) told.ChecksumCRC64NVME = WRONG;
      },
    ],
    [
      'another one later',
      (told, command) => {
        if (command === 'HeadObjectCommand' && isOfParts(told) && told.ChecksumCRC64NVME !== undefined)
          told.ChecksumCRC64NVME = WRONG;
      },
    ],
    [
      'one of checksums',
      (told) => {
        if (isOfParts(told) && told.ChecksumCRC64NVME !== undefined) told.ChecksumCRC64NVME += '-2';
      },
    ],
    [
      'none',
      (told) => {
        if (isOfParts(told)) delete told.ChecksumCRC64NVME;
      },
    ],
  ])('not one that tells %s', async (_, edit) => {
    await using bucket = await openHour();
    tell(bucket, edit);
    expect(await roll(bucket)).toEqual(['crc32']);
  });

  it('one that tells other checksums of parts besides', async () => {
    await using bucket = await openHour();
    tell(bucket, (told, command) => {
      if (command === 'UploadPartCommand' && told.ChecksumCRC64NVME !== undefined)
        told.ChecksumCRC32 = 'AAAAAA==';
    });
    expect(await roll(bucket)).toEqual(['crc64nvme']);
  });
});

it('a copy has the CRC-32 that was asked for, whatever the store tells', async () => {
  await using bucket = await openWatchedBucket({ targetSize: 5 * MiB });
  bucket.putLog('a.log', bodyOf('a', 1, 6 * MiB));
  tell(bucket, ({ CopyObjectResult: told }, command) => {
    if (command !== 'CopyObjectCommand' || told === undefined) return;
    delete told.ChecksumCRC32;
    told.ChecksumCRC64NVME = WRONG;
  });
  expect(await roll(bucket)).toEqual(['crc32']);
});

it('a small output has the CRC-64/NVME of a store that verifies it, without a look at parts', async () => {
  await using bucket = await openWatchedBucket({ targetSize: MiB });
  bucket.putLog('a.log', bodyOf('a', 1, 1000));
  bucket.sandbox.hook = ({ operation }) =>
    operation === 'CompleteMultipartUpload'
      ? { kind: 'error', status: 501, code: 'NotImplemented' }
      : undefined;
  await bucket.roll();
  const [output] = bucket.manifest.outputs;
  expect(output?.crc64nvme).toBe(crc64Of(bodyOf('a', 1, 1000)).digits);
});
