import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Zippable, zipSync } from 'fflate';

/** The time of every file: the same files make the same archive, whose digest can be compared. ZIP begins at 1980. */
const TIME = new Date(1980, 0, 1, 12);
/** Made on Unix: the mode is in the upper half of the attributes. Lambda runs what everybody may read. */
const UNIX = 3;
const READABLE = 0o100644 * 2 ** 16;

/** The files directly in a folder as a ZIP archive. */
export function zipFolder(folder: string): Uint8Array {
  const options = { level: 9, mtime: TIME, os: UNIX, attrs: READABLE } as const;
  const files: Zippable = {};
  for (const name of readdirSync(folder).sort())
    files[name] = [new Uint8Array(readFileSync(join(folder, name))), options];
  return zipSync(files);
}
