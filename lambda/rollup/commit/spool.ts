import { randomBytes } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RollupError } from '../../errors.ts';
import { MiB } from '../../size.ts';
import { crc32 } from '../model/checksum/crc32.ts';

/** The most bytes of a spool in memory: the index of some 250,000 sources. */
export const MOST_HELD = 16 * MiB;
/** Bytes that are read from the file at a time. */
const READ = MiB;

/**
 * Bytes that are collected over a whole run, to be read once the last is there. So many are held in memory; what comes
 * behind goes to a temporary file, without a name so that it ends with the process.
 */
export class Spool {
  readonly #most: number;
  #held: Buffer[] = [];
  #file: FileHandle | undefined;
  #written = 0;
  /** Bytes in memory. */
  heldBytes = 0;
  /** The CRC-32 of all bytes. */
  crc32 = 0;

  /** @param most bytes that are held in memory, at most */
  constructor(most = MOST_HELD) {
    this.#most = most;
  }

  /** The number of all bytes. */
  get size(): number {
    return this.#written + this.heldBytes;
  }

  /**
   * Adds a copy of a chunk.
   *
   * @throws RollupError `NoTemporaryFile` where more than is held in memory cannot be written to a file
   */
  async add(chunk: Buffer): Promise<void> {
    this.crc32 = crc32(chunk, this.crc32);
    this.#held.push(Buffer.from(chunk));
    this.heldBytes += chunk.length;
    if (this.heldBytes > this.#most) await this.#flush();
  }

  /** All bytes, if they are in memory. */
  inMemory(): Buffer | undefined {
    return this.#file === undefined ? Buffer.concat(this.#held) : undefined;
  }

  /** Yields all bytes, as often as asked for. The memory of a chunk is used again for the next one. */
  async *chunks(): AsyncGenerator<Buffer> {
    if (this.#file === undefined) {
      yield* this.#held;
      return;
    }
    if (this.heldBytes > 0) await this.#flush();
    const into = Buffer.allocUnsafeSlow(READ);
    for (let at = 0; at < this.#written;) {
      const { bytesRead } = await this.#file.read(into, 0, READ, at).catch((cause: unknown) => {
        throw noTemporaryFile(this.size, cause);
      });
      if (bytesRead === 0) throw noTemporaryFile(this.size, new Error('it was cut'));
      at += bytesRead;
      yield into.subarray(0, bytesRead);
    }
  }

  /** Gives the file up. */
  async close(): Promise<void> {
    this.#held = [];
    await this.#file?.close();
  }

  async #flush(): Promise<void> {
    try {
      this.#file ??= await openNameless();
      for (const chunk of this.#held) {
        for (let at = 0; at < chunk.length;) {
          const { bytesWritten } = await this.#file.write(chunk, at, chunk.length - at, this.#written);
          at += bytesWritten;
          this.#written += bytesWritten;
          this.heldBytes -= bytesWritten;
        }
      }
      this.#held = [];
    } catch (cause) {
      throw noTemporaryFile(this.size, cause);
    }
  }
}

/** A new file for reading and writing that only its handle leads to. */
async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `s3-rollup-${randomBytes(8).toString('hex')}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}

function noTemporaryFile(bytes: number, cause: unknown): RollupError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `The index of sources, ${bytes} bytes so far, does not find room in a temporary file: ${why}. Name a folder that has room by TMPDIR, or split the hour into streams. Run again: what is written is kept.`;
  return new RollupError('NoTemporaryFile', message, { cause });
}
