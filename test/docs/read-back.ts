import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { LogObject } from './source-objects.ts';
import { fillHour } from './source-page.ts';

/** Settings that shape what a reader sees. */
export interface Shape {
  codec: string | undefined;
  headerLines: number;
}

/** Puts the objects of an hour. */
export function putObjects(
  sandbox: Sandbox,
  bucket: string,
  objects: readonly LogObject[],
  hour: string,
): void {
  for (const { key, body, headers = {} } of objects)
    sandbox.put(bucket, fillHour(key, hour), body, { headers });
}

/** The hours beside: the one before, the one behind, and the same of the next day. */
export function neighbours(hour: string): string[] {
  const at = Date.parse(`${hour}:00:00Z`);
  return [-1, 1, 24].map((hours) => new Date(at + hours * 3_600_000).toISOString().slice(0, 13));
}

/** The text that a reader should see in the outputs of each format. */
export function truthOf(
  objects: readonly LogObject[],
  hour: string,
  { codec, headerLines }: Shape,
): Record<string, string> {
  const sorted = objects
    .map((object) => ({ ...object, key: fillHour(object.key, hour) }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  const seen: Record<string, string> = {};
  for (const { text, how } of sorted) {
    const format = codec ?? how;
    const before = seen[format];
    const kept = before === undefined ? text : text.split('\n').slice(headerLines).join('\n');
    const isEnded = kept.endsWith('\n') || (codec === undefined && how !== 'plain');
    seen[format] = (before ?? '') + kept + (isEnded ? '' : '\n');
  }
  return seen;
}

const TOOLS: Record<string, readonly [format: string, ...command: [string, ...string[]]]> = {
  gz: ['gzip', 'gzip', '-dc'],
  zst: ['zstd', 'zstd', '-dcq'],
};
const manifest = z.object({ outputs: z.array(z.object({ key: z.string() })) });

/** Keys of the committed outputs under a prefix, in index order. */
export function outputsOf(sandbox: Sandbox, bucket: string, prefix: string): string[] {
  const text = sandbox.get(bucket, `${prefix}_manifest.json`)?.toString();
  if (text === undefined) throw new Error(`Nothing is committed under ${prefix}.`);
  return manifest.parse(JSON.parse(text)).outputs.map(({ key }) => key);
}

/** The text of the outputs of each format, as `gzip -dc` and `zstd -dc` of the system read them by their names. */
export function readBack(sandbox: Sandbox, bucket: string, prefix: string): Record<string, string> {
  const seen: Record<string, string> = {};
  const folder = mkdtempSync(join(tmpdir(), 'read-back-'));
  try {
    for (const key of outputsOf(sandbox, bucket, prefix)) {
      const file = join(folder, basename(key));
      writeFileSync(file, sandbox.get(bucket, key) ?? '');
      const [format, command, ...args] = TOOLS[key.split('.').at(-1) ?? ''] ?? ['plain', 'cat'];
      const text = execFileSync(command, [...args, file], { encoding: 'utf8' });
      seen[format] = (seen[format] ?? '') + text;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return seen;
}
