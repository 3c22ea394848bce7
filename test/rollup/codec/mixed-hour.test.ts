import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { extract } from '../../../lambda/rollup/inspect/extract.ts';
import type { Codec } from '../../../lambda/settings/codec.ts';
import { BUCKET, DESTINATION, RAW, failureOf, openTestBucket } from '../../support/test-bucket.ts';
import { membersOf } from './members.ts';
import { MixedHour } from './raw-hour.ts';

const MANY = { plain: 400, gzip: 200, zstd: 80, members: 20 };
const TOTAL = 700;

const INFLATE = { none: (bytes: Buffer) => bytes, gzip: gunzipSync, zstd: zstdDecompressSync };

function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

/** The text of each output, decoded by the system's own programs. */
function checkWithPrograms(codec: 'gzip' | 'zstd', outputs: { body: Buffer }[], text: Buffer): void {
  const directory = mkdtempSync(join(tmpdir(), 'codec-'));
  try {
    const files = outputs.map(({ body }, i) => {
      const file = join(directory, `${i}.${codec === 'gzip' ? 'gz' : 'zst'}`);
      writeFileSync(file, body);
      return file;
    });
    execFileSync(codec, ['-t', '-q', ...files]);
    const cat = codec === 'gzip' ? ['-dc', ...files] : ['-dcq', ...files];
    expect(execFileSync(codec, cat, { maxBuffer: 1e9 }).equals(text)).toBe(true);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe.each<Exclude<Codec, 'keep'>>(['gzip', 'zstd', 'none'])('a mixed hour with codec %s', (codec) => {
  it('is not committed while a source is cut short, and becomes outputs of one stream each once it is whole', async ({
    annotate,
  }) => {
    await using bucket = await openTestBucket({ codec });
    const hour = new MixedHour(bucket);
    hour.putMany(MANY);
    const raw = bucket.sandbox.keys(BUCKET, RAW);
    const last = raw.findLast((key) => key.endsWith('.gz')) ?? '';
    const whole = bucket.sandbox.get(BUCKET, last) as Buffer;
    bucket.sandbox.put(BUCKET, last, whole.subarray(0, -5));

    expect(await failureOf(bucket.roll())).toMatchObject({
      code: 'SourceCorrupt',
      key: last,
      message: expect.stringContaining(`${last} is no whole gzip: it is cut short`) as string,
    });
    expect(bucket.isCommitted).toBe(false);
    expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
    expect(bucket.sandbox.keys(BUCKET, RAW)).toEqual(raw);

    bucket.sandbox.put(BUCKET, last, whole);
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: TOTAL, copied: 0 });
    const outputs = bucket.outputs();
    const suffix = { gzip: '.log.gz', zstd: '.log.zst', none: '.log' }[codec];
    expect(outputs.filter(({ key }) => !key.endsWith(suffix))).toEqual([]);
    const text = Buffer.concat(outputs.map(({ body }) => INFLATE[codec](body)));
    expect(text.equals(hour.joined())).toBe(true);
    expect(outputs.length).toBeGreaterThan(1);
    for (const { body } of outputs.slice(0, -1)) {
      expect(body.length / bucket.settings.targetSize).toBeGreaterThan(0.9);
      expect(body.length / bucket.settings.targetSize).toBeLessThan(1.1);
    }
    if (codec !== 'none') {
      expect(outputs.map(({ body }) => membersOf(body))).toEqual(outputs.map(() => 1));
      if (isInstalled(codec)) checkWithPrograms(codec, outputs, text);
      else await annotate(`${codec} is not installed: no program but this one has read the outputs`);
    }
    expect(bucket.manifest.settings).toMatchObject({ codec });
    await bucket.expectSound();

    bucket.sandbox.requests.length = 0;
    expect(await bucket.roll()).toMatchObject({ status: 'unchanged', reused: outputs.length });
    expect(bucket.downloads()).toEqual([]);
    expect(bucket.writes()).toEqual([]);
    for (const key of ['.log', '.log.gz', '.log.zst', '-17-3.log.gz']) {
      const [source = '', body] = [...hour.texts].find(([candidate]) => candidate.endsWith(key)) ?? [];
      const { bytes } = await extract(bucket.connection.store, DESTINATION, source);
      expect(Buffer.concat(await Array.fromAsync(bytes)).equals(body as Buffer)).toBe(true);
    }
  });
});
