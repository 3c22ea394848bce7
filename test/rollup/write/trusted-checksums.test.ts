import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { checksumOf } from '../../../lambda/rollup/model/checksum/checksum.ts';
import type { RunResult } from '../../../lambda/run.ts';
import { MiB } from '../../../lambda/size.ts';
import type { Fault } from '../../../sandbox/sandbox.ts';
import {
  DESTINATION,
  MANIFEST_KEY,
  RAW,
  type WatchedBucket,
  bodyOf,
  openWatchedBucket,
} from '../../promises/support/watched-bucket.ts';
import { isSample } from '../../support/hooks.ts';
import { withCrc32 } from '../../support/test-bucket.ts';

const SECOND = `${RAW}b.log`;

/** Which sources S3 has a CRC-32 of; of the others it has a CRC-64/NVME. With both, `b.log` is of the lesser kind. */
const KEPT = {
  'CRC-32s': { of: ['a', 'b', 'c'], algorithm: 'crc32' },
  'CRC-64/NVMEs': { of: [], algorithm: 'crc64nvme' },
  'mostly CRC-32s': { of: ['a', 'c'], algorithm: 'crc32' },
  'mostly CRC-64/NVMEs': { of: ['b'], algorithm: 'crc64nvme' },
} as const;
type Kept = keyof typeof KEPT;
const ALL = Object.keys(KEPT) as Kept[];

/** In bytes: a part ends in the middle of the second. */
const SIZES = { a: 5 * MiB - 1_000, b: 2_000, c: 1_000 };

/** An hour of one output with two parts: `b.log` lies in both, and does not end with a newline. */
async function openHour(kept: Kept = 'CRC-32s'): Promise<WatchedBucket> {
  const bucket = await openWatchedBucket({ targetSize: 8 * MiB });
  const withCrc32: readonly string[] = KEPT[kept].of;
  for (const name of ['a', 'b', 'c'] as const) {
    const body = bodyOf(name, name === 'b' ? 0 : 1, SIZES[name]);
    bucket.putLog(`${name}.log`, body, { hasCrc32: withCrc32.includes(name) });
  }
  return bucket;
}

/** The checksums that the manifest has of outputs, and those that S3 holds of them: they are the same. */
function checksumsOf(bucket: WatchedBucket): string[] {
  return bucket.manifest.outputs.map((output) => {
    const { algorithm, digits } = checksumOf(output);
    const held = bucket.sandbox.head(DESTINATION.bucket, output.key)?.checksums;
    expect(held).toEqual({ [`x-amz-checksum-${algorithm}`]: Buffer.from(digits, 'hex').toString('base64') });
    return algorithm;
  });
}

it.each(ALL)('an output of sources with %s has the checksum that most of them have', async (kept) => {
  await using bucket = await openHour(kept);
  expect((await bucket.roll()).status).toBe('committed');
  expect(bucket.problems()).toEqual([]);
  expect(checksumsOf(bucket)).toEqual([KEPT[kept].algorithm]);
  expect(bucket.manifest.version).toBe(KEPT[kept].algorithm === 'crc32' ? 1 : 3);
});

/** Gives the first download of a source a fault, and counts downloads. */
function damage(bucket: WatchedBucket, victim: string, fault: Fault, times = 1) {
  const downloads: string[] = [];
  bucket.sandbox.hook = (request) => {
    const { operation, key = '' } = request;
    if (operation !== 'GetObject' || !key.startsWith(RAW) || isSample(request)) return undefined;
    downloads.push(key.slice(RAW.length));
    return key === victim && downloads.filter((name) => RAW + name === victim).length <= times
      ? fault
      : undefined;
  };
  return { downloads };
}

function warned({ warnings = [] }: RunResult) {
  return warnings.map(({ code, key }) => [code, key]);
}

const PLACES: [string, string, number][] = [
  ['in a source that lies in one part', `${RAW}a.log`, 7],
  ['in a source that lies in two parts, in the first', SECOND, 0],
  ['in a source that lies in two parts, in the second', SECOND, 1_500],
  ['in the last newline of a source', `${RAW}a.log`, SIZES.a - 1],
  ['in the last byte of a source that lacks its newline', SECOND, SIZES.b - 1],
];
const FLIPPED = ALL.flatMap((kept) => {
  // Of sources of both kinds: one of either.
  const places = kept.startsWith('mostly') ? PLACES.slice(0, 2) : PLACES;
  return places.map((place) => [kept, ...place] as const);
});

describe('a byte that was flipped on its way is found, its source is named and downloaded again', () => {
  it.each(FLIPPED)('%s: %s', async (kept, _, victim, atByte) => {
    await using bucket = await openHour(kept);
    const { downloads } = damage(bucket, victim, { kind: 'corrupt', atByte });
    const result = await bucket.roll();
    expect(result.status).toBe('committed');
    expect(warned(result)).toEqual([['ArrivedDamaged', victim]]);
    expect(checksumsOf(bucket)).toEqual([KEPT[kept].algorithm]);
    expect(bucket.problems()).toEqual([]);
    expect(downloads.toSorted()).toEqual(['a', 'a', 'b', 'b', 'c', 'c'].map((name) => `${name}.log`));
    expect(result).toMatchObject({ objects: 3, bytes: 5 * MiB + 2_000 });
  });

  it.each(ALL)('%s: in an output of one request', async (kept) => {
    await using bucket = await openWatchedBucket({ targetSize: MiB });
    for (const name of ['a', 'b']) {
      const hasCrc32 = KEPT[kept].of.some((other) => other === name);
      bucket.putLog(`${name}.log`, bodyOf(name, 1, 1000), { hasCrc32 });
    }
    damage(bucket, SECOND, { kind: 'corrupt', atByte: 5 });
    expect(warned(await bucket.roll())).toEqual([['ArrivedDamaged', SECOND]]);
    expect(bucket.problems()).toEqual([]);
  });
});

it('a source is not taken for another format, or for a corrupt one, because of a byte that was flipped', async () => {
  for (const atByte of [0, 60]) {
    await using bucket = await openWatchedBucket({ targetSize: MiB });
    for (const name of ['a.log.gz', 'b.log.gz', 'c.log.gz', 'd.log.gz', 'e.log.gz'])
      bucket.putLog(name, gzipSync(bodyOf(name, 1, 200_000)), { hasCrc32: true });
    const { downloads } = damage(bucket, `${RAW}d.log.gz`, { kind: 'corrupt', atByte });
    expect(await bucket.roll()).toMatchObject({ status: 'committed', outputs: 1 });
    expect(bucket.problems()).toEqual([]);
    expect(downloads.filter((name) => name === 'd.log.gz')).toHaveLength(2);
  }
});

it.each([
  ['whatever comes', ['PutObject', 'UploadPart']],
  ['whatever comes as a part', ['UploadPart']],
])(
  'a store that stores %s is found out, and every source is checked as it arrives',
  async (_, operations) => {
    await using bucket = await openHour();
    const { downloads } = damage(bucket, SECOND, { kind: 'corrupt', atByte: 7 });
    const damaging = bucket.sandbox.hook;
    bucket.sandbox.hook = (request) =>
      operations.includes(request.operation) ? { kind: 'ignore-checksums' } : damaging?.(request);
    const result = await bucket.roll();
    expect(result).toMatchObject({ status: 'committed', requests: { retries: 1 } });
    expect(result.warnings).toBeUndefined();
    expect(bucket.problems()).toEqual([]);
    expect(downloads).toHaveLength(4);
    expect(
      bucket.sandbox.keys(DESTINATION.bucket, DESTINATION.prefix).filter((key) => /proof/.test(key)),
    ).toEqual([]);
  },
);

it.each(ALL)(
  'a source that always arrives damaged ends the run, of %s, and nothing is written',
  async (kept) => {
    await using bucket = await openHour(kept);
    damage(bucket, SECOND, { kind: 'corrupt', atByte: 7 }, Infinity);
    expect(await bucket.tryRoll()).toMatchObject({ code: 'ChecksumMismatch', key: SECOND });
    expect(bucket.objects.keys(DESTINATION.prefix)).toEqual([]);
    expect(bucket.openUploads()).toEqual([]);
  },
);

it.each([
  ['takes whatever comes with a CRC-64/NVME', { kind: 'ignore-checksums' }],
  ['knows no CRC-64/NVME', { kind: 'error', status: 400, code: 'InvalidRequest' }],
] as const)('outputs of a store that %s have CRC-32s', async (_, fault) => {
  await using bucket = await openHour('CRC-64/NVMEs');
  const { downloads } = damage(bucket, SECOND, { kind: 'corrupt', atByte: 7 });
  const damaging = bucket.sandbox.hook;
  bucket.sandbox.hook = (request) =>
    'x-amz-checksum-crc64nvme' in request.headers ? fault : damaging?.(request);
  const result = await bucket.roll();
  expect(result.status).toBe('committed');
  expect(warned(result)).toEqual([['ArrivedDamaged', SECOND]]);
  expect(downloads).toHaveLength(6);
  expect(bucket.problems()).toEqual([]);
  expect(checksumsOf(bucket)).toEqual(['crc32']);
  expect(bucket.openUploads()).toEqual([]);
});

describe('an output that a run of a release without CRC-64/NVME left', () => {
  /** The output with its CRC-32, not committed. Its sources have CRC-64/NVMEs. */
  async function openLeft(edit: (body: Buffer) => void = () => undefined): Promise<WatchedBucket> {
    const bucket = await openHour('CRC-64/NVMEs');
    await bucket.roll();
    const [key = ''] = bucket.manifest.outputs.map((output) => output.key);
    const body = Buffer.from(bucket.sandbox.get(DESTINATION.bucket, key) ?? []);
    edit(body);
    const { headers } = bucket.sandbox.attributes(DESTINATION.bucket, key) ?? {};
    bucket.sandbox.put(DESTINATION.bucket, key, body, { headers: { ...headers, ...withCrc32(body) } });
    bucket.sandbox.delete(DESTINATION.bucket, MANIFEST_KEY);
    return bucket;
  }

  it('is kept with it, where it holds the bytes of the sources', async () => {
    await using bucket = await openLeft();
    const { downloads } = damage(bucket, SECOND, { kind: 'corrupt', atByte: 7 }, 0);
    expect(await bucket.roll()).toMatchObject({ status: 'committed', reused: 1 });
    expect(downloads).toHaveLength(3);
    expect(checksumsOf(bucket)).toEqual(['crc32']);
    expect(bucket.problems()).toEqual([]);
  });

  it('is not kept for bytes that nobody has proven', async () => {
    // The byte that is flipped on its way is another in the output too.
    await using bucket = await openLeft((body) => body.writeUInt8(body.readUInt8(7) ^ 0xff, 7));
    damage(bucket, `${RAW}a.log`, { kind: 'corrupt', atByte: 7 });
    const result = await bucket.roll();
    expect(result).toMatchObject({ status: 'committed', reused: 0 });
    expect(warned(result)).toEqual([['ArrivedDamaged', `${RAW}a.log`]]);
    expect(bucket.problems()).toEqual([]);
  });
});

it.each(['CRC-32s', 'CRC-64/NVMEs'] as const)(
  'sources with %s, of an output that an earlier run wrote, are proven by HEADs alone before they are deleted',
  async (kept) => {
    await using bucket = await openHour(kept);
    await bucket.roll();
    const { downloads } = damage(bucket, SECOND, { kind: 'corrupt', atByte: 7 }, 0);
    const result = await bucket.roll({ deleteSource: true, connection: bucket.connect() });
    expect(result).toMatchObject({ status: 'unchanged', deleted: { objects: 3, complete: true } });
    expect(downloads).toEqual([]);
    expect(bucket.problems()).toEqual([]);
  },
);
