import { spawnSync } from 'node:child_process';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { outputsOf } from '../docs/read-back.ts';
import { type Cell, type Rows, cellOf } from './cells.ts';
import { idsByDuckDb } from './duckdb.ts';
import { BUCKET, FORMS, type Form, PREFIX } from './hour.ts';
import { recipeFor, recipesOf } from './recipes.ts';

/*
 * The readers that every developer has: DuckDB, the system's decompressors, Node.
 */

/** Outputs of each form, copied to `folder`, and the ids of their lines. */
export interface Hours {
  sandbox: Sandbox;
  folder: string;
  truth: Map<Form, number[]>;
}

export const DUCKDB = 'DuckDB 1.5';
export const TOOLS = 'gzip, zstd, bzip2, xz';
export const NODE = "Node's one-call functions";

const idsOf = (text: string): number[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { id: number }).id);

/** The rows of these readers, measured. */
export async function measureHere(hours: Hours): Promise<Rows> {
  const rows: Rows = new Map();
  for (const [way, recipe] of recipesOf('duckdb')) {
    const read = ({ hour }: Form) => idsByDuckDb(recipeFor(recipe, hour, hours.folder));
    rows.set(`${DUCKDB}: ${way}`, [...(await cellsOf(hours, read)), '`npm test`']);
  }
  const byTools = (form: Form): number[] =>
    bodiesOf(hours, form).flatMap(([key, body]) => idsOf(decompressed(key, body)));
  rows.set(`${TOOLS}: manifest`, [...(await cellsOf(hours, byTools)), '`npm test`']);
  const byNode = (form: Form): number[] =>
    bodiesOf(hours, form).flatMap(([key, body]) =>
      idsOf((ONE_CALL[extensionOf(key)] ?? plain)(body).toString()),
    );
  const cells = (await cellsOf(hours, byNode)).map((cell, i): Cell =>
    /^\.(bz2|xz)$/.test(FORMS[i]?.extensions[0] ?? '') ? '–' : cell,
  );
  rows.set(`${NODE}: manifest`, [...cells, '`npm test`']);
  return rows;
}

async function cellsOf(
  { truth }: Hours,
  read: (form: Form) => Promise<number[]> | number[],
): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const form of FORMS) cells.push(await cellOf(() => read(form), truth.get(form) ?? []));
  return cells;
}

const bodiesOf = ({ sandbox }: Hours, { hour }: Form): [key: string, body: Buffer][] =>
  outputsOf(sandbox, BUCKET, `${PREFIX}${hour}/`).map((key) => [
    key,
    sandbox.get(BUCKET, key) ?? Buffer.alloc(0),
  ]);

const extensionOf = (key: string): string => key.split('.').at(-1) ?? '';
const plain = (body: Buffer): Buffer => body;
const ONE_CALL: Record<string, (body: Buffer) => Buffer> = { gz: gunzipSync, zst: zstdDecompressSync };
/** The decompressor of an extension. */
const TOOL_OF: Record<string, string> = { gz: 'gzip', zst: 'zstd', bz2: 'bzip2', xz: 'xz' };

function decompressed(key: string, body: Buffer): string {
  const tool = TOOL_OF[extensionOf(key)];
  if (tool === undefined) return body.toString();
  const { status, stdout, stderr } = spawnSync(tool, ['-dc'], { input: body });
  if (status !== 0) throw new Error(`${tool}: ${stderr.toString()}`);
  return stdout.toString();
}
