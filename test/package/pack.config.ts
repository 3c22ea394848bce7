import { defineConfig } from 'vitest/config';

/** The proof by installation, `npm run pack:check`: packs the package and uses it where nothing of the repository is in reach. */
export default defineConfig({
  test: {
    include: ['test/package/*.check.ts'],
    globalSetup: ['test/package/packed.ts'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    maxWorkers: 2,
  },
});
