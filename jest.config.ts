import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Processes that tests start compile what they load once, as the command line does (bin/s3-rollup.ts).
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, 'node_modules', '.cache', 'node');

/** The test configuration. Vitest reads it: `vitest --config jest.config.ts`. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The function as it is deployed, for the tests that run it.
    globalSetup: ['test/invocation/support/bundle-setup.ts'],
    setupFiles: ['test/support/poison-chunks.ts'],
    // For what hangs. A machine that is busy with other things takes minutes over what takes seconds otherwise.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Two cores are what CI has. A third worker takes the time in which the others wait for timers and processes.
    maxWorkers: 3,
    // Most of what a test makes is short-lived: with room for it, three percent of the processors' time are saved.
    execArgv: ['--min-semi-space-size=16', '--max-semi-space-size=16'],
    restoreMocks: true,
  },
});
