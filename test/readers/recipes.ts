import { page } from '../lib/markdown.ts';
import { BUCKET, PAGE_HOUR, PREFIX } from './hour.ts';

/** A code block of docs/readers.md whose first line says whose recipe it is: ```sql duckdb list. */
const BLOCK = /^```(\w+) (\w+) (\w+)\n(.*?)^```$/gms;

/**
 * The recipes of a reader, by their way, as printed.
 *
 * @param reader as the first lines of the page's code blocks name it
 */
export function recipesOf(reader: string): Map<string, string> {
  const blocks = [...page('readers.md').matchAll(BLOCK)];
  return new Map(
    blocks.flatMap(([, , whose, way = '', text = '']) => (whose === reader ? [[way, text]] : [])),
  );
}

/** The language of a recipe, by what its block is marked with. */
export const languageOf = (reader: string, way: string): string | undefined =>
  [...page('readers.md').matchAll(BLOCK)].find(([, , whose, of]) => whose === reader && of === way)?.[1];

/** A recipe for another hour than the page's, and for a copy of the bucket in a folder where one is given. */
export function recipeFor(recipe: string, hour: string, folder?: string): string {
  const moved = recipe.replaceAll(`${PREFIX}${PAGE_HOUR}/`, `${PREFIX}${hour}/`);
  return folder === undefined
    ? moved
    : moved.replaceAll(`s3://${BUCKET}/`, `${folder}/${BUCKET}/`).replaceAll('s3://', `${folder}/`);
}
