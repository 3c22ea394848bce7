import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Content, ContentStore, Spool } from './content.ts';

const SLICE = 256 * 1024;

class FileSpool implements Spool {
  readonly #file: string;
  readonly #path: string;
  #handle: FileHandle | undefined;
  #length = 0;

  constructor(file: string, path: string) {
    this.#file = file;
    this.#path = path;
  }

  async write(chunk: Buffer): Promise<void> {
    this.#handle ??= await open(this.#path, 'wx');
    await this.#handle.writev([chunk]);
    this.#length += chunk.length;
  }

  async finish(): Promise<Content> {
    await this.#handle?.close();
    return this.#length === 0 ? [] : [{ file: this.#file, start: 0, length: this.#length }];
  }

  discard(): void {
    // The file may be closed already, or may never have been opened.
    void this.#handle?.close().catch(() => undefined);
    rmSync(this.#path, { force: true });
  }
}

/** Keeps each body in a file of its own, until its last holder releases it. The index says which key it belongs to. */
export class FolderContent implements ContentStore {
  readonly #folder: string;
  readonly #holders = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
    for (let shard = 0; shard < 256; shard++) {
      mkdirSync(join(folder, shard.toString(16).padStart(2, '0')), { recursive: true });
    }
  }

  /** Deletes bodies that nothing holds once the index has been read: those of writes that a crash cut short. */
  sweep(): void {
    for (const name of readdirSync(this.#folder, { recursive: true, withFileTypes: true })) {
      if (name.isFile() && !this.#holders.has(name.name)) rmSync(join(name.parentPath, name.name));
    }
  }

  #path(file: string): string {
    return join(this.#folder, file.slice(0, 2), file);
  }

  spool(): Spool {
    const file = randomUUID();
    return new FileSpool(file, this.#path(file));
  }

  keep(bytes: Buffer): Content {
    const file = randomUUID();
    writeFileSync(this.#path(file), bytes, { flag: 'wx' });
    return [{ file, start: 0, length: bytes.length }];
  }

  retain(content: Content): void {
    for (const file of files(content)) this.#holders.set(file, (this.#holders.get(file) ?? 0) + 1);
  }

  release(content: Content): void {
    for (const file of files(content)) {
      const left = (this.#holders.get(file) ?? 0) - 1;
      if (left > 0) {
        this.#holders.set(file, left);
      } else {
        this.#holders.delete(file);
        rmSync(this.#path(file), { force: true });
      }
    }
  }

  discard(content: Content): void {
    for (const file of files(content)) {
      if (!this.#holders.has(file)) rmSync(this.#path(file), { force: true });
    }
  }

  async *read(content: Content): AsyncIterable<Buffer> {
    for (const { file, start, length } of located(content)) {
      await using handle = await open(this.#path(file));
      for (let at = 0; at < length;) {
        const buffer = Buffer.allocUnsafeSlow(Math.min(SLICE, length - at));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, start + at);
        if (bytesRead === 0) throw new Error(`${file} is shorter than the index says`);
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    }
  }

  *readNow(content: Content): Iterable<Buffer> {
    for (const { file, start, length } of located(content)) {
      const descriptor = openSync(this.#path(file), 'r');
      try {
        for (let at = 0; at < length;) {
          const buffer = Buffer.allocUnsafeSlow(Math.min(SLICE, length - at));
          const bytesRead = readSync(descriptor, buffer, 0, buffer.length, start + at);
          if (bytesRead === 0) throw new Error(`${file} is shorter than the index says`);
          at += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
      } finally {
        closeSync(descriptor);
      }
    }
  }
}

function* located(content: Content) {
  for (const segment of content) {
    if ('bytes' in segment) throw new Error('bytes in memory, not in the folder');
    yield segment;
  }
}

function files(content: Content): Set<string> {
  return new Set(Array.from(located(content), ({ file }) => file));
}
