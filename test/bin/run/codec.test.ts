import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { membersOf } from '../../rollup/codec/members.ts';
import { BUCKET, DESTINATION, SOURCE, cli, json, lines } from '../command-line.ts';

const BOTH = [SOURCE, DESTINATION];
const SMALL = ['--target-size', '5MiB', '--part-size', '5MiB'];

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
});
afterEach(() => sandbox.close());

/** Bytes that do not compress. */
function noise(seed: number, outputLength: number): Buffer {
  return createHash('shake256', { outputLength }).update(String(seed)).digest();
}

it('with a codec, plan forecasts the run; verify and extract see the decoded text', async () => {
  const texts = Array.from({ length: 90 }, (_, i) => noise(i, 110_000));
  for (const [i, text] of texts.entries()) {
    const name = `raw/app/${String(i).padStart(2, '0')}.json`;
    if (i % 3 === 0) sandbox.put(BUCKET, `${name}.gz`, gzipSync(text));
    else if (i % 3 === 1) sandbox.put(BUCKET, `${name}.zst`, zstdCompressSync(text));
    else sandbox.put(BUCKET, name, text);
  }
  const options = [...SMALL, '--codec', 'gzip', '--level', '1', '--newline', 'none'];
  const plan = await json(sandbox, ['plan', ...BOTH, ...options]);
  const run = await json(sandbox, ['run', ...BOTH, ...options]);
  expect(plan).toMatchObject({ expected: 'committed', objects: 90 });
  expect(run).toMatchObject({
    status: 'committed',
    objects: 90,
    bytes: plan['bytes'],
    copied: 0,
    outputs: 2,
  });
  expect({ ...(plan['requests'] as object), retries: 0 }).toEqual(run['requests']);

  const planned = plan['outputs'] as { key: string; size: number; action: string }[];
  expect(planned.map(({ action }) => action)).toEqual(['write', 'write']);
  const keys = sandbox.keys(BUCKET, 'rolled/app/part-');
  expect(keys).toEqual(planned.map(({ key }) => key));
  expect(keys.every((key) => key.endsWith('.json.gz'))).toBe(true);
  const stored = keys.map((key) => sandbox.get(BUCKET, key) as Buffer);
  for (const [i, body] of stored.entries()) {
    expect(membersOf(body)).toBe(1);
    expect(body.length / (planned[i]?.size ?? 0)).toBeCloseTo(1, 1);
  }
  expect(Buffer.concat(stored.map((body) => gunzipSync(body))).equals(Buffer.concat(texts))).toBe(true);
  expect(sandbox.keys(BUCKET, 'rolled/app/_frames/')).toEqual([]);

  expect(await json(sandbox, ['verify', DESTINATION, '--deep'])).toMatchObject({ status: 'ok' });
  sandbox.delete(BUCKET, 'raw/app/42.json.gz');
  const { stdout, code } = await cli(sandbox, ['extract', DESTINATION, '42.json.gz', '--no-progress']);
  expect(code).toBe(0);
  expect(stdout).toBe(texts[42]?.toString());
});

it('a source that is cut short is named, and nothing is committed', async () => {
  sandbox.put(BUCKET, 'raw/app/a.log', lines(1_000));
  sandbox.put(BUCKET, 'raw/app/b.log.gz', gzipSync(lines(1_000)).subarray(0, -4));
  const { code, stdout, stderr } = await cli(sandbox, ['run', ...BOTH, '--codec', 'zstd', '--json']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(JSON.parse(stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({
    error: { code: 'SourceCorrupt', key: 'raw/app/b.log.gz' },
  });
  expect(sandbox.keys(BUCKET, 'rolled/')).toEqual([]);
});

it.each<[string[], string]>([
  [['--codec', 'brotli'], '--codec must be keep or none or gzip or zstd, not "brotli"'],
  [['--level', '5'], '--level 5 must stand beside a codec that has levels: gzip or zstd'],
  [['--codec', 'gzip', '--level', '10'], '--level 10 must be from 1 to 9 with gzip'],
])('%j is refused', async (options, message) => {
  const { code, stderr } = await cli(sandbox, ['run', ...BOTH, ...options]);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});
