import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'tsdown';
import { FUNCTIONS, bundleFunction } from './function-code.ts';
import { licencesOf, packagesOf } from './licences.ts';

/**
 * Builds what is published, into dist/: the command line and the engine, the constructs, the code of the functions, and the
 * licences of what is inside of them. docs/decisions/0008-packaging.md says why they are made so.
 */
const PROJECT = join(import.meta.dirname, '..');
const DIST = join(PROJECT, 'dist');

rmSync(DIST, { recursive: true, force: true });
const bundles = await build({ cwd: PROJECT, config: join(PROJECT, 'tsdown.config.ts') });
const modules = bundles
  .flatMap(({ chunks }) => chunks)
  .flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []));
const functions = await Promise.all(
  Object.keys(FUNCTIONS).map((name) => bundleFunction(name as keyof typeof FUNCTIONS, join(DIST, name))),
);
const inputs = functions.flatMap(({ metafile }) => Object.keys(metafile.inputs));
const packages = packagesOf([...modules, ...inputs.map((file) => join(PROJECT, file))]);
writeFileSync(join(DIST, 'THIRD-PARTY-LICENCES.txt'), licencesOf(packages));
