import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Graphviz } from '@hpcc-js/wasm-graphviz';

/*
 * `npm run pictures`: the pictures of docs/ that have a source, docs/<name>.dot, as docs/<name>.svg. Graphviz lays them out,
 * compiled to WebAssembly, so that every machine gives the same bytes.
 */

const DOCS = join(import.meta.dirname, '../../docs');

/** Names of the pictures. */
export const PICTURES: string[] = globSync('*.dot', { cwd: DOCS })
  .map((file) => file.slice(0, -'.dot'.length))
  .toSorted();

/** The file of a picture. */
export function fileOf(name: string, extension: 'dot' | 'svg'): string {
  return join(DOCS, `${name}.${extension}`);
}

/** The text of a source of Graphviz as SVG, with what a screen reader says of it. */
export async function draw(dot: string, title: string): Promise<string> {
  const graphviz = await Graphviz.load();
  const svg = graphviz.dot(dot);
  // Without what names the release of Graphviz, and with a label.
  return svg
    .slice(svg.indexOf('<svg'))
    .replaceAll(/<!--[^]*?-->\n/g, '')
    .replace('<svg ', `<svg role="img" aria-label="${title}" `);
}

/** What a screen reader says of a picture: the first line of its source, a comment. */
export function titleOf(dot: string): string {
  const [, title] = /^\/\/ ([^"&<\n]+)\n/.exec(dot) ?? [];
  if (title === undefined) throw new Error('The first line of a source is its title: // What it shows.');
  return title;
}

if (import.meta.main)
  for (const name of PICTURES) {
    const dot = readFileSync(fileOf(name, 'dot'), 'utf8');
    writeFileSync(fileOf(name, 'svg'), await draw(dot, titleOf(dot)));
    process.stdout.write(`wrote ${fileOf(name, 'svg')}\n`);
  }
