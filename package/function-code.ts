import { join } from 'node:path';
import { type BuildResult, build } from 'esbuild';

const PROJECT = join(import.meta.dirname, '..');

/** The functions of a deployment, by the folders that their code is bundled into. */
export const FUNCTIONS = { function: 'lambda/handler.ts', steps: 'lambda/step-handler.ts' } as const;

/**
 * Bundles the code of a function into `index.mjs` and its source map, byte for byte as CDK does from this repository: a test
 * compares them, because that is the code which the other tests run.
 *
 * @param folder where to
 * @returns esbuild's result, whose metafile names all that is in it
 */
export async function bundleFunction(
  name: keyof typeof FUNCTIONS,
  folder: string,
): Promise<BuildResult<{ metafile: true }>> {
  return build({
    absWorkingDir: PROJECT,
    entryPoints: [join(PROJECT, FUNCTIONS[name])],
    outfile: join(folder, 'index.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minify: true,
    sourcemap: true,
    sourcesContent: false,
    mainFields: ['module', 'main'],
    banner: {
      js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
    },
    logLevel: 'warning',
    metafile: true,
  });
}
