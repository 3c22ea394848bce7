import type { Settings } from '../../lambda/settings/table.ts';

export const VARIANTS = ['floor', 'https', 'simple', 's3-log-rollup'] as const;
export type VariantName = (typeof VARIANTS)[number];

/** The job of a variant: join the objects under one prefix, in key order, into outputs under the other. */
export interface Job {
  bucket: string;
  source: string;
  destination: string;
  settings: Settings;
}

/** A program for the job. It resolves when the last output is stored. */
export type Variant = (job: Job) => Promise<void>;

export interface Listed {
  key: string;
  size: number;
}

/** Every object under a prefix. `get` sends a listing request with the query, and returns the text of the answer. */
export async function listAll(source: string, get: (query: string) => Promise<string>): Promise<Listed[]> {
  const listed: Listed[] = [];
  for (let token: string | undefined = ''; token !== undefined;) {
    const next = token === '' ? '' : `&continuation-token=${encodeURIComponent(token)}`;
    const page = await get(`?list-type=2&prefix=${encodeURIComponent(source)}${next}`);
    for (const [, key = '', size] of page.matchAll(/<Key>(.*?)<\/Key>.*?<Size>(\d+)<\/Size>/g))
      listed.push({ key, size: Number(size) });
    token = /<NextContinuationToken>(.*?)</.exec(page)?.[1];
  }
  return listed;
}

/** Packs as s3-log-rollup does: an output closes once it holds `targetSize` or more. */
export function groupsOf(listed: Listed[], targetSize: number): Listed[][] {
  const groups: Listed[][] = [];
  let size = Infinity;
  for (const object of listed) {
    if (size >= targetSize) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)?.push(object);
    size += object.size;
  }
  return groups;
}

/** 7 -> `part-00007.log` */
export function outputName(index: number): string {
  return `part-${String(index).padStart(5, '0')}.log`;
}
