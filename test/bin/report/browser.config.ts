import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** `npm run report:check`: the page in a real browser. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '../../..'),
    include: ['test/bin/report/browser.check.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
