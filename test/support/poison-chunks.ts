import { vi } from 'vitest';

/**
 * In every test, a chunk of a stream is overwritten when the next one is asked for: whoever still reads it, or kept it
 * without a copy, gets wrong bytes.
 */
vi.mock(import('../../lambda/chunk.ts'), async (original) => {
  const { release } = await original();
  return {
    release: (chunk: Buffer) => {
      chunk.fill(0xaa);
      release(chunk);
    },
  };
});
