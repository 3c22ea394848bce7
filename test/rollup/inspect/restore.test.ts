import { expect, it, vi } from 'vitest';
import { restore } from '../../../lambda/rollup/inspect/restore.ts';
import { parseLocation } from '../../../lambda/rollup/model/location.ts';
import { AGGREGATED, BUCKET, DESTINATION, openTestBucket } from '../../support/test-bucket.ts';

/** Every index is a large one: it is read in ranges, anew each time. */
vi.mock(import('../../../lambda/rollup/committed/committed-sources.ts'), async (original) => ({
  ...(await original()),
  MOST_KEPT: 1,
}));

it('a restore begins again where another run commits while it reads the index', async () => {
  await using bucket = await openTestBucket();
  for (const name of ['a', 'b']) bucket.put(`${name}.log`, `${name}\n`);
  await bucket.roll();
  let reads = 0;
  bucket.sandbox.hook = async ({ operation, key = '', range }) => {
    const isIndex = key.startsWith(`${AGGREGATED}_sources-`) && operation === 'GetObject';
    // Objects and bytes are counted first.
    if (!isIndex || range === undefined || ++reads !== 2) return undefined;
    bucket.put('c.log', 'c\n');
    await bucket.roll({ connection: bucket.connect() });
    return undefined;
  };
  const { store, raw } = bucket.connection;
  const restored = await restore(
    {
      destination: DESTINATION,
      wanted: { keys: new Set(), prefixes: [''] },
      to: parseLocation(`s3://${BUCKET}/back/`),
      overwrite: false,
    },
    {
      store,
      target: raw,
      settings: bucket.settings,
      progress: () => undefined,
      signal: new AbortController().signal,
    },
  );
  expect(restored).toMatchObject({ objects: 3, refused: [], failed: [], missing: [] });
  expect(bucket.sandbox.keys(BUCKET, 'back/')).toEqual(['a', 'b', 'c'].map((name) => `back/${name}.log`));
});
