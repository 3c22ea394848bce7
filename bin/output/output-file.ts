import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { getSystemErrorMessage } from 'node:util';
import { RollupError } from '../../lambda/errors.ts';

/** Thrown if the file of `--output` cannot be written. */
export class UnwritableFile extends Error {
  override readonly name = 'UnwritableFile';
  readonly code = 'UnwritableFile';
}

/**
 * A typed path as an absolute one. npm runs scripts in the project's folder and keeps the user's folder in INIT_CWD.
 */
export function resolveTyped(path: string): string {
  return resolve(process.env['INIT_CWD'] ?? '', path);
}

/**
 * Writes a file that appears once it is whole, and returns its size. Throws `UnwritableFile`, and errors of the source.
 */
export async function writeWhole(file: string, bytes: AsyncIterable<Buffer>): Promise<number> {
  const partial = `${file}.partial-${process.pid}`;
  const stream = createWriteStream(partial, { flags: 'wx' });
  try {
    await pipeline(bytes, stream);
    await rename(partial, file);
    return stream.bytesWritten;
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw isOfFiles(error) ? unwritable(file, error) : error;
  }
}

/** True for an error of the file system; failures of S3 and the network are `RollupError`s. */
function isOfFiles(error: unknown): error is Error & { code: string; errno: number } {
  return error instanceof Error && !(error instanceof RollupError) && 'errno' in error && 'code' in error;
}

function unwritable(file: string, error: Error & { code: string; errno: number }): UnwritableFile {
  const why = `${getSystemErrorMessage(error.errno)} (${error.code})`;
  return new UnwritableFile(`--output ${file} cannot be written: ${why}.`, { cause: error });
}
