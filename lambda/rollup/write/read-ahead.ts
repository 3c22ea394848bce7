import type { ReadResult } from '../model/store.ts';
import type { SourceRange } from './ranges.ts';

/** A range that was downloaded, with its bytes. */
export interface DownloadedRange extends ReadResult {
  bytes: Buffer;
}

/** A download that was begun into the memory from `start` to `end`. */
interface PendingRange {
  start: number;
  end: number;
  downloaded: Promise<DownloadedRange>;
}

/**
 * Downloads ranges ahead of the consumer and yields them in their order: as many are begun as fit into the memory one
 * behind another, which is used as a ring. The consumer must be done with what was yielded before it asks for the next.
 * If it takes no more, the downloads that were begun are waited for. Throws what a download throws.
 *
 * @param ranges each no longer than the memory
 */
export async function* readAhead(
  ranges: SourceRange[],
  memory: Buffer,
  read: (range: SourceRange, into: Buffer) => Promise<ReadResult>,
): AsyncGenerator<DownloadedRange> {
  const pending: PendingRange[] = [];
  let next = 0;

  const beginMore = (): void => {
    for (; next < ranges.length; next++) {
      const range = ranges[next] as SourceRange;
      const start = roomFor(range.length, memory.length, pending);
      if (start === undefined) return;
      const end = start + range.length;
      const bytes = memory.subarray(start, end);
      const downloaded = read(range, bytes).then((result) => ({ ...result, bytes }));
      // It is awaited in its turn; a failure before that is not unhandled.
      downloaded.catch(() => undefined);
      pending.push({ start, end, downloaded });
    }
  };

  try {
    for (;;) {
      beginMore();
      const [first] = pending;
      if (first === undefined) return;
      yield await first.downloaded;
      pending.shift();
    }
  } finally {
    await Promise.allSettled(pending.map(({ downloaded }) => downloaded));
  }
}

/** The offset in the ring where so many bytes fit: behind the last pending range, or in front of the first. */
function roomFor(length: number, capacity: number, pending: PendingRange[]): number | undefined {
  const [first] = pending;
  const last = pending.at(-1);
  if (first === undefined || last === undefined) return 0;
  const fits = (start: number, limit: number): number | undefined =>
    limit - start >= length ? start : undefined;
  return last.start >= first.start
    ? (fits(last.end, capacity) ?? fits(0, first.start))
    : fits(last.end, first.start);
}
