import { type DeadLetters, type DeadLettersInJson, deadLettersInJson } from '../operator/dead-letters.ts';
import type { HourState } from '../operator/hour-status.ts';
import { PRICES } from '../../lambda/prices.ts';
import { totalCost } from '../output/prices.ts';
import { type Attention, attentionOf } from './attention.ts';
import type { HourReport, SizesOfBoth } from './hour-report.ts';

/** What `report --json` prints, and what is in the page. Sizes are in bytes, money in US dollars. */
export interface Report extends DeadLettersInJson {
  status: 'complete' | 'incomplete';
  from: string;
  to: string;
  /** ISO 8601. */
  createdAt: string;
  totals: {
    hours: Record<HourState, number>;
    /** Of rolled up hours, by their manifests. */
    objects: number;
    bytes: number;
    outputs: number;
    outputBytes: number;
    /** Raw objects that are in no rollup. */
    late: number;
  };
  cost: Cost;
  sizes: SizesOfBoth;
  attention: Attention[];
  hours: readonly HourReport[];
}

/** Dollars. `without`: for the objects as they lie in raw; `with`: for the outputs. */
export interface Cost {
  prices: typeof PRICES;
  /** Requests of runs that left figures, and the number of hours of which that is. */
  requests: number;
  hoursWithFigures: number;
  storageMonth: { without: number; with: number };
  /** GETs to read everything once. */
  readOnce: { without: number; with: number };
}

/** What a report is about, besides its hours. */
export interface ReportInput {
  from: string;
  to: string;
  now: Date;
  stack: string | undefined;
  deadLetters: DeadLetters | undefined;
  sizes: SizesOfBoth;
}

/** Adds hours up to a report. */
export function reportOf(
  rows: readonly HourReport[],
  { from, to, now, stack, deadLetters, sizes }: ReportInput,
): Report {
  const hours: Record<HourState, number> = {
    ...{ 'rolled-up': 0, late: 0, missing: 0 },
    ...{ open: 0, empty: 0, unreadable: 0, failed: 0 },
  };
  const totals = { hours, objects: 0, bytes: 0, outputs: 0, outputBytes: 0, late: 0 };
  let requests = 0;
  let hoursWithFigures = 0;
  for (const row of rows) {
    hours[row.state]++;
    totals.objects += row.committed?.objects ?? 0;
    totals.bytes += row.committed?.bytes ?? 0;
    totals.outputs += row.committed?.outputs ?? 0;
    totals.outputBytes += row.committed?.outputBytes ?? 0;
    totals.late += row.late;
    if (row.run === undefined) continue;
    requests += totalCost(row.run.requests);
    hoursWithFigures++;
  }
  const attention = attentionOf(rows, { stack, deadLetters });
  const stored = (bytes: number): number => (bytes / 1e9) * PRICES.storedGBMonth;
  const read = (objects: number): number => (objects / 1000) * PRICES.per1000.get;
  return {
    status: attention.some(({ kind }) => kind !== 'limit') ? 'incomplete' : 'complete',
    from,
    to,
    createdAt: now.toISOString(),
    totals,
    cost: {
      prices: PRICES,
      requests,
      hoursWithFigures,
      storageMonth: { without: stored(totals.bytes), with: stored(totals.outputBytes) },
      readOnce: { without: read(totals.objects), with: read(totals.outputs) },
    },
    sizes,
    attention,
    ...deadLettersInJson(deadLetters),
    hours: rows,
  };
}
