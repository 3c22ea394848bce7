import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { page } from './markdown.ts';

it('names only error codes that there are', () => {
  const errors = readFileSync(new URL('../../lambda/errors.ts', import.meta.url), 'utf8');
  const codes = new Set([...errors.matchAll(/^ {2}\| '(\w+)'/gm)].map(([, code]) => code));
  const rows = [...page('runbook.md').matchAll(/^\| ((?:`[A-Z]\w+`(?:, )?)+) +\| (?!\[)/gm)];
  const named = rows.flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, code]) => code));
  expect(named.length).toBeGreaterThan(10);
  for (const code of named) expect(codes).toContain(code);
});
