import { randomBytes } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import type { ReadFrom } from '../../../lambda/rollup/model/store.ts';
import { type TestBucket, BUCKET, RAW, openTestBucket } from '../../support/test-bucket.ts';

// Chunks stay as they came: whether something else overwrites them is what is looked at.
vi.mock(import('../../../lambda/chunk.ts'), () => ({ release: () => undefined }));

const SIZE = 3_000_000;

async function sourcesOf(bucket: TestBucket): Promise<ReadFrom[]> {
  const sources: ReadFrom[] = [];
  for await (const page of bucket.connection.store.list({ bucket: BUCKET, prefix: RAW }))
    sources.push(...page.map(({ key, etag }) => ({ bucket: BUCKET, key, etag })));
  return sources;
}

const next = async (stream: AsyncIterator<Buffer> | undefined): Promise<Buffer | undefined> => {
  const result = await stream?.next();
  return result?.done === false ? result.value : undefined;
};
const isThere = (chunk: Buffer | undefined): chunk is Buffer => chunk !== undefined;

describe.each([{ tls: false }, { tls: true }])('connections that share a buffer (TLS: $tls)', (options) => {
  it('do not overwrite chunks that are read late', async () => {
    await using bucket = await openTestBucket({}, options);
    const bodies = Array.from({ length: 4 }, () => randomBytes(SIZE));
    for (const [i, body] of bodies.entries()) bucket.put(`${i}.log`, body);

    const sources = await sourcesOf(bucket);
    const [first, ...others] = sources.map((from) =>
      bucket.connection.store.stream(from)[Symbol.asyncIterator](),
    );
    const kept = [await next(first)];
    // The first response pauses after part of its bytes while the others arrive, in turns.
    const rest: Buffer[][] = others.map(() => []);
    for (let chunks = await Promise.all(others.map(next)); chunks.some(isThere);) {
      chunks.forEach((chunk, i) => isThere(chunk) && rest[i]?.push(chunk));
      chunks = await Promise.all(others.map(next));
    }
    for (let chunk = await next(first); isThere(chunk); chunk = await next(first)) kept.push(chunk);

    const read = [kept.filter(isThere), ...rest].map((chunks) => Buffer.concat(chunks));
    for (const [i, body] of bodies.entries()) expect(read[i]?.equals(body)).toBe(true);
  });

  it('fill buffers with several bodies at once', async () => {
    await using bucket = await openTestBucket({}, options);
    const bodies = Array.from({ length: 16 }, () => randomBytes(SIZE));
    for (const [i, body] of bodies.entries()) bucket.put(`${String(i).padStart(2, '0')}.log`, body);

    const { signal } = new AbortController();
    const landed = await Promise.all(
      (await sourcesOf(bucket)).map(async (from) => {
        const into = Buffer.alloc(SIZE);
        await bucket.connection.store.read(from, into, signal);
        return into;
      }),
    );
    for (const [i, body] of bodies.entries()) expect(landed[i]?.equals(body)).toBe(true);
  });
});
