import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = globSync('{*.md,docs/**/*.md}', { cwd: ROOT }).toSorted();
/** Files and folders, the latter without a slash at their end. */
const PATHS = new Set(globSync('{bench,bin,demo,docs,lambda,lib,sandbox,schema,test}/**', { cwd: ROOT }));
const NAMES = new Set([...PATHS].map((path) => basename(path)));

/** Whole paths, and the bare names of test files: `lambda/rollup/`, `test/s3/list.test.ts`, `list.test.ts`. */
const PATH =
  /(?<![\w./:-])(?:(?:bench|bin|demo|docs|lambda|lib|sandbox|schema|test)\/[\w./-]*[\w/]|[\w-]+\.test\.ts)/g;

function pathsIn(text: string): string[] {
  return [...new Set(Array.from(text.matchAll(PATH), ([path]) => path))];
}

/** True for a file, a folder, and the name of a test file in any folder. */
function exists(path: string): boolean {
  return path.includes('/') ? PATHS.has(path.replace(/\/$/, '')) : NAMES.has(path);
}

it.each(PAGES)('every path of the repository that %s mentions exists', (page) => {
  const paths = pathsIn(readFileSync(join(ROOT, page), 'utf8'));
  expect(paths.filter((path) => !exists(path))).toEqual([]);
});

it.each([
  ['a file', 'see `lambda/none.ts`.', 'lambda/none.ts'],
  ['a folder', 'all of `lambda/none/`', 'lambda/none/'],
  ['a test file without its folder', '`none.test.ts`: "a case"', 'none.test.ts'],
])('the mention of %s that does not exist is found', (_, text, missing) => {
  expect(pathsIn(text)).toEqual([missing]);
  expect(exists(missing)).toBe(false);
});
