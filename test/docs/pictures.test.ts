import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PICTURES, draw, fileOf, titleOf } from './pictures.ts';

it('there is a picture of the architecture', () => {
  expect(PICTURES).toContain('architecture');
});

it.each(PICTURES)('docs/%s.svg is what its source gives: npm run pictures', async (name) => {
  const dot = readFileSync(fileOf(name, 'dot'), 'utf8');
  expect(readFileSync(fileOf(name, 'svg'), 'utf8')).toBe(await draw(dot, titleOf(dot)));
});

it('a picture whose source has changed is seen', async () => {
  const dot = readFileSync(fileOf('architecture', 'dot'), 'utf8');
  const changed = dot.replace('Dead letters', 'Letters');
  expect(readFileSync(fileOf('architecture', 'svg'), 'utf8')).not.toBe(await draw(changed, titleOf(changed)));
});

it('a source without a title is refused', () => {
  expect(() => titleOf('digraph {}')).toThrow('first line');
});

it('the title of a picture is one line, which its file begins with', () => {
  const dot = readFileSync(fileOf('architecture', 'dot'), 'utf8');
  expect(readFileSync(fileOf('architecture', 'svg'), 'utf8')).toMatch(
    /^<svg role="img" aria-label="[^"\n]+" width/,
  );
  expect(titleOf(dot)).toBe('What a stack deploys, and what goes where.');
});
