import { defineConfig } from 'vitest/config';

/** The test configuration. Vitest reads it: `vitest --config jest.config.ts`. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The function as it is deployed, for the tests that run it.
    globalSetup: ['test/lambda/bundle-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores are what CI has: more workers would only make timers late.
    maxWorkers: 2,
    restoreMocks: true,
  },
});
