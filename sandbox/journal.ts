import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { FolderContent } from './storage/folder-content.ts';
import { ObjectTable, type Change } from './storage/object-table.ts';

/**
 * Opens an object table that is kept in a folder: bodies under `data/`, and every change as a line of `index.jsonl`, which
 * is written before it takes effect. At the start the lines are replayed, and the index is rewritten without changes that
 * were undone since.
 */
export function openFolderTable(folder: string): { table: ObjectTable; close: () => void } {
  mkdirSync(folder, { recursive: true });
  const index = join(folder, 'index.jsonl');
  const content = new FolderContent(join(folder, 'data'));
  let descriptor: number | undefined;
  const table = new ObjectTable(content, (change) => {
    if (descriptor === undefined) throw new Error('the folder store is closed');
    writeSync(descriptor, `${JSON.stringify(change)}\n`);
  });

  for (const change of existsSync(index) ? parseIndex(readFileSync(index, 'utf8')) : []) table.apply(change);
  content.sweep();
  const fresh = `${index}.new`;
  writeFileSync(fresh, Array.from(changesOf(table), (change) => `${JSON.stringify(change)}\n`).join(''));
  renameSync(fresh, index);

  descriptor = openSync(index, 'a');
  return {
    table,
    close: () => {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}

/** The changes of an index. A last line without its end is left out: a crash cut it short before it took effect. */
function parseIndex(text: string): Change[] {
  const lines = text.split('\n').slice(0, -1);
  // Only this module writes the index, so its lines need no check.
  return lines.map((line) => JSON.parse(line) as Change);
}

function* changesOf(table: ObjectTable): Generator<Change> {
  for (const { name: bucket, created, objects, uploads } of table.buckets.values()) {
    yield { type: 'bucket-created', bucket, at: created };
    for (const object of objects.values()) yield { type: 'object-put', bucket, object };
    for (const { parts, ...upload } of uploads.values()) {
      yield { type: 'upload-began', bucket, upload };
      for (const part of parts.values()) yield { type: 'part-put', bucket, uploadId: upload.uploadId, part };
    }
  }
}
