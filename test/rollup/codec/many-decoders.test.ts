import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const DECODE = new URL('../../../lambda/rollup/codec/decode.ts', import.meta.url).href;

/** Decodes three members or frames, in chunks of several sizes, again and again. */
const decoding = (form: 'gzip' | 'zstd'): string => `
  import { gzipSync, zstdCompressSync } from 'node:zlib';
  import { decode } from ${JSON.stringify(DECODE)};
  const compress = ${form === 'gzip' ? 'gzipSync' : 'zstdCompressSync'};
  const bytes = Buffer.concat(['a\\n', 'b\\n', 'c\\n'].map((text) => compress(text)));
  async function* chunks(size) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  for (let i = 0; i < 40; i++)
    for (const size of [1, 7, 1_000_000]) {
      let text = '';
      for await (const chunk of decode('${form}', chunks(size), 'raw/a.log')) text += chunk;
      if (text !== 'a\\nb\\nc\\n') throw new Error(text);
    }
`;

describe('a process that decodes again and again', () => {
  // Its own, because what is wrong with the memory of a decoder ends a process.
  it.each(['gzip', 'zstd'] as const)('%s ends by itself', (form) => {
    const { status, signal, stderr } = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', decoding(form)],
      { encoding: 'utf8' },
    );
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  });
});
