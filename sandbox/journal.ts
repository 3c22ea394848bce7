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
import { Store, type Change } from './storage/store.ts';

/**
 * A store kept in a folder: bodies under `data/`, and every change as a line of `index.jsonl`, written before it
 * takes effect. At start the lines are replayed and the index is rewritten to what is still there.
 */
export function openFolderStore(folder: string): { store: Store; close: () => void } {
  mkdirSync(folder, { recursive: true });
  const index = join(folder, 'index.jsonl');
  const content = new FolderContent(join(folder, 'data'));
  let descriptor: number | undefined;
  const store = new Store(content, (change) => {
    if (descriptor === undefined) throw new Error('the folder store is closed');
    writeSync(descriptor, `${JSON.stringify(change)}\n`);
  });

  for (const change of existsSync(index) ? parseIndex(readFileSync(index, 'utf8')) : []) store.apply(change);
  content.sweep();
  const fresh = `${index}.new`;
  writeFileSync(fresh, Array.from(changesOf(store), (change) => `${JSON.stringify(change)}\n`).join(''));
  renameSync(fresh, index);

  descriptor = openSync(index, 'a');
  return {
    store,
    close: () => {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}

/** A last line without its end was cut short by a crash before its change took effect. */
function parseIndex(text: string): Change[] {
  const lines = text.split('\n').slice(0, -1);
  // Written by this module alone: the index is not an interface to anybody.
  return lines.map((line) => JSON.parse(line) as Change);
}

function* changesOf(store: Store): Generator<Change> {
  for (const { name: bucket, created, objects, uploads } of store.buckets.values()) {
    yield { type: 'bucket-created', bucket, at: created };
    for (const object of objects.values()) yield { type: 'object-put', bucket, object };
    for (const { parts, ...upload } of uploads.values()) {
      yield { type: 'upload-began', bucket, upload };
      for (const part of parts.values()) yield { type: 'part-put', bucket, uploadId: upload.uploadId, part };
    }
  }
}
