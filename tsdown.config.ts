import { defineConfig } from 'tsdown';

/** The package's own code and all that it is made with, bundled: nothing is installed along with it. */
const everything = { alwaysBundle: [/./], onlyBundle: false as const };

const shared = {
  outDir: 'dist',
  platform: 'node' as const,
  // The oldest Node that `engines` admits.
  target: 'node22.21',
  clean: false,
  report: false,
  // Names that stay the same from release to release.
  hash: false,
  logLevel: 'error' as const,
};

export default defineConfig([
  {
    ...shared,
    name: 'command line and engine',
    entry: { 's3-rollup': 'bin/s3-rollup.ts', worker: 'bin/workers/worker.ts', index: 'api/index.ts' },
    format: 'esm',
    fixedExtension: false,
    dts: false,
    deps: everything,
    minify: true,
  },
  {
    ...shared,
    name: 'types of the engine',
    entry: { index: 'api/index.ts' },
    format: 'esm',
    fixedExtension: false,
    dts: { emitDtsOnly: true },
    deps: { onlyBundle: false },
  },
  {
    ...shared,
    name: 'constructs',
    entry: { cdk: 'lib/index.ts' },
    // An app that `cdk init` makes is CommonJS, and so are its tests. An ES module imports it as well.
    format: 'cjs',
    dts: true,
    deps: { ...everything, neverBundle: [/^aws-cdk-lib/, /^constructs/] },
    shims: true,
  },
]);
