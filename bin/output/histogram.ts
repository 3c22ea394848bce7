import { formatSize } from '../../lambda/size.ts';
import { formatColumns, formatCount } from './output.ts';

export interface Bucket {
  /** Least size in bytes. */
  from: number;
  /** Sizes are below this, in bytes. */
  below: number;
  objects: number;
  bytes: number;
}

const BAR_WIDTH = 32;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** Counts sizes by powers of two, from the smallest size to the largest, empty buckets between them included. */
export function bucketsOf(sizes: Iterable<number>): Bucket[] {
  const buckets = new Map<number, Bucket>();
  for (const size of sizes) {
    const power = Math.floor(Math.log2(Math.max(1, size)));
    const bucket = buckets.get(power) ?? emptyBucket(power);
    buckets.set(power, { ...bucket, objects: bucket.objects + 1, bytes: bucket.bytes + size });
  }
  const powers = [...buckets.keys()];
  const first = powers.reduce((least, power) => Math.min(least, power), Infinity);
  const last = powers.reduce((most, power) => Math.max(most, power), -Infinity);
  if (powers.length === 0) return [];
  return Array.from({ length: last - first + 1 }, (_, i) => buckets.get(first + i) ?? emptyBucket(first + i));
}

function emptyBucket(power: number): Bucket {
  return { from: 2 ** power, below: 2 ** (power + 1), objects: 0, bytes: 0 };
}

export function formatHistogram(buckets: Bucket[]): string[] {
  const most = Math.max(...buckets.map(({ objects }) => objects));
  const rows = buckets.flatMap(({ from, below, objects }, i) => {
    if (isInGap(buckets, i)) return isInGap(buckets, i - 1) ? [] : [['…', '', '', '']];
    return [[formatSize(from), `to ${formatSize(below)}`, formatCount(objects), formatBar(objects / most)]];
  });
  return formatColumns(rows, 'rlrl');
}

/** True for one of three or more empty buckets in a row, which are left out. */
function isInGap(buckets: Bucket[], at: number): boolean {
  const isEmpty = (i: number): boolean => buckets[i]?.objects === 0;
  return [at - 2, at - 1, at].some((i) => isEmpty(i) && isEmpty(i + 1) && isEmpty(i + 2)) && isEmpty(at);
}

/** 0.5 -> sixteen blocks. Anything above 0 has at least an eighth of a block. */
function formatBar(share: number): string {
  const eighths = Math.max(share > 0 ? 1 : 0, Math.round(share * BAR_WIDTH * 8));
  return '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
}
