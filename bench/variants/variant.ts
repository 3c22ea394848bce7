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
