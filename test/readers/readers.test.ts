import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { cli } from '../bin/command-line.ts';
import { type Rows, rowsOfPage } from './cells.ts';
import { idsByDuckDb } from './duckdb.ts';
import { DUCKDB, NODE, TOOLS, measureHere } from './here.ts';
import { BUCKET, FORMS, type Form, copyTo, makeHour, sorted } from './hour.ts';
import { recipeFor, recipesOf } from './recipes.ts';

/*
 * docs/readers.md: its recipes, run as printed, and the rows of its table that they make.
 */

let sandbox: Sandbox;
let folder: string;
let measured: Rows;
const truth = new Map<Form, number[]>();
/** Hours with late arrivals, a repack, groups, and an output that no commit names. */
const MANY = FORMS.filter(({ name }) => !['bzip2', 'xz'].includes(name)).map((form) => ({
  ...form,
  hour: String(Number(form.hour) + 10),
}));
const truthOfMany = new Map<Form, number[]>();

beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET] });
  folder = mkdtempSync(join(tmpdir(), 'readers-'));
  for (const form of FORMS) truth.set(form, await makeHour(cli, sandbox, form));
  for (const form of MANY)
    truthOfMany.set(
      form,
      await makeHour(cli, sandbox, form, { late: true, repack: true, groups: true, leftover: true }),
    );
  copyTo(folder, sandbox);
  measured = await measureHere({ sandbox, folder, truth });
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await sandbox.close();
});

const duckDb = recipesOf('duckdb');
describe('the table of docs/readers.md', () => {
  it('has a row for every way that DuckDB has a recipe of', () => {
    expect([...duckDb.keys()].toSorted()).toEqual(['glob', 'list', 'manifest', 'prefix']);
  });

  it.each([...duckDb.keys()].map((way) => `${DUCKDB}: ${way}`))('says what is read: %s', (name) => {
    expect(rowsOfPage().get(name)).toEqual(measured.get(name));
  });

  it('says what the tools of the system read', () => {
    const name = `${TOOLS}: manifest`;
    expect(rowsOfPage().get(name)).toEqual(measured.get(name));
    expect(measured.get(name)?.slice(0, -1)).toEqual(FORMS.map(() => 'exact'));
  });

  it('says that one-call functions of Node stop after the first zstd frame', () => {
    const name = `${NODE}: manifest`;
    expect(rowsOfPage().get(name)).toEqual(measured.get(name));
    expect(measured.get(name)?.[2]).toBe('wrong');
  });
});

describe.each(MANY.map((form) => [form.name, form] as const))(
  'DuckDB reads an hour of groups with late arrivals and a repack, %s',
  (_, form) => {
    const read = (way: string) => idsByDuckDb(recipeFor(duckDb.get(way) ?? '', form.hour, folder));

    it.each(['list', 'manifest'])('exactly by the %s', async (way) => {
      expect(sorted(await read(way))).toEqual(sorted(truthOfMany.get(form) ?? []));
    });

    it('by the glob with the lines of an output that no commit names', async () => {
      const ids = await read('glob');
      const all = truthOfMany.get(form) ?? [];
      expect(sorted(new Set(ids))).toEqual(sorted(all));
      expect(ids.length).toBeGreaterThan(all.length);
    });
  },
);
