import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, it } from 'vitest';
import { anchors } from '../lib/markdown.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = globSync('{*.md,docs/**/*.md}', { cwd: ROOT }).toSorted();
const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8');

/** The problem of a link on a page; undefined for a good one. The page's path is from the root of the repository. */
function problemOf(page: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : normalize(join(dirname(page), path));
  if (!existsSync(join(ROOT, target))) return `${target} is not there`;
  if (anchor === undefined) return undefined;
  if (!target.endsWith('.md') || !statSync(join(ROOT, target)).isFile()) return `${target} has no headings`;
  return anchors(read(target)).includes(anchor) ? undefined : `${target} has no heading for #${anchor}`;
}

/** Links and pictures of a page, without links to other sites. */
function linksOf(page: string): string[] {
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  return [...new Set(links)].filter((link) => !/^\w+:/.test(link));
}

it.each(PAGES.flatMap((page) => linksOf(page).map((link) => [page, link] as const)))(
  '%s links to %s, which is there',
  (page, link) => {
    expect(problemOf(page, link)).toBeUndefined();
  },
);

it.each([
  ['a page that is not there', 'docs/none.md', 'docs/none.md is not there'],
  ['a heading that is not there', 'docs/deploy.md#none', 'docs/deploy.md has no heading for #none'],
  ['a heading of its own page that is not there', '#none', 'README.md has no heading for #none'],
  ['a heading of a picture', 'docs/demo.svg#none', 'docs/demo.svg has no headings'],
])('a link to %s is seen', (_, link, problem) => {
  expect(problemOf('README.md', link)).toBe(problem);
});

it('every page of docs/ is reached from the README, by links alone', () => {
  const reached = new Set(['README.md']);
  for (const page of reached) {
    for (const link of linksOf(page)) {
      const target = normalize(join(dirname(page), link.split('#')[0] ?? ''));
      if (PAGES.includes(target)) reached.add(target);
      // A link to a folder reaches its pages.
      else for (const inside of PAGES) if (dirname(inside) === target) reached.add(inside);
    }
  }
  expect(PAGES.filter((page) => !reached.has(page))).toEqual([]);
});

it('the README has at most 120 lines', () => {
  expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(120);
});
