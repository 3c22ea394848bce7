import type { SourceRange } from './ranges.ts';
import type { ReadResult } from '../model/store.ts';

export interface Arrived extends ReadResult {
  bytes: Buffer;
}

interface UnderWay {
  start: number;
  end: number;
  arrived: Promise<Arrived>;
}

/**
 * DownloadQueue ahead of whoever takes them, in their order: as many as fit into the memory one behind another, which is
 * used in a ring. What was yielded is to be done with before the next is asked for. None may be larger than the memory.
 * Whoever takes no more waits for the others.
 */
export async function* readAhead(
  readings: SourceRange[],
  memory: Buffer,
  read: (reading: SourceRange, into: Buffer) => Promise<ReadResult>,
): AsyncGenerator<Arrived> {
  const underWay: UnderWay[] = [];
  let next = 0;

  const beginMore = (): void => {
    for (; next < readings.length; next++) {
      const reading = readings[next] as SourceRange;
      const start = roomFor(reading.length, memory.length, underWay);
      if (start === undefined) return;
      const end = start + reading.length;
      const bytes = memory.subarray(start, end);
      const arrived = read(reading, bytes).then((landed) => ({ ...landed, bytes }));
      // It is waited for in its turn.
      arrived.catch(() => undefined);
      underWay.push({ start, end, arrived });
    }
  };

  try {
    for (;;) {
      beginMore();
      const [first] = underWay;
      if (first === undefined) return;
      yield await first.arrived;
      underWay.shift();
    }
  } finally {
    await Promise.allSettled(underWay.map(({ arrived }) => arrived));
  }
}

/** Where so many bytes fit: behind the last that are under way, or in front of the first. */
function roomFor(length: number, capacity: number, underWay: UnderWay[]): number | undefined {
  const [first] = underWay;
  const last = underWay.at(-1);
  if (first === undefined || last === undefined) return 0;
  const fits = (start: number, limit: number): number | undefined =>
    limit - start >= length ? start : undefined;
  return last.start >= first.start
    ? (fits(last.end, capacity) ?? fits(0, first.start))
    : fits(last.end, first.start);
}
