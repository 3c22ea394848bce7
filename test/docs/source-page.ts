import { page } from '../lib/markdown.ts';

/** docs/sources.md, taken apart. */
export const PAGE = page('sources.md');

export interface Row {
  name: string;
  anchor: string;
  options: string;
  /** Of the stream; undefined where the page advises none. */
  minute: number | undefined;
  lookBackHours: number | undefined;
}

const CELLS = /^\| \[([^\]]+)\]\(#([^)]+)\) *\|([^|]*)\|[^|]*\|([^|]*)\|([^|]*)\|$/gm;
const numberOf = (cell: string): number | undefined => (cell.trim() === '' ? undefined : Number(cell));

/** Rows of the table of logs. */
export const ROWS: Row[] = [...PAGE.matchAll(CELLS)].map(
  ([, name = '', anchor = '', options = '', minute = '', lookBackHours = '']) => ({
    name,
    anchor,
    options: options.replaceAll('`', '').trim(),
    minute: numberOf(minute),
    lookBackHours: numberOf(lookBackHours),
  }),
);

/** A command of the page: `run --hour …`. */
export interface Command {
  hour: string;
  source: string;
  destination: string;
  options: string[];
}

/** The sections that have a command, by their headings. */
export const COMMANDS = new Map<string, Command>(
  PAGE.split(/^## /m)
    .slice(1)
    .flatMap((section) => {
      const [heading = ''] = section.split('\n');
      const [, typed] = /^s3-rollup run --hour (.*)$/m.exec(section.replaceAll(/ \\\n\s*/g, ' ')) ?? [];
      if (typed === undefined) return [];
      const [hour = '', source = '', destination = '', ...options] = typed
        .split(' ')
        .map((word) => word.replaceAll("'", ''));
      return [[heading, { hour, source, destination, options }]] as const;
    }),
);

/** The settings files that the page shows. */
export const SETTINGS_FILES: string[] = [...PAGE.matchAll(/^```json\n([^]*?)^```/gm)].map(
  ([, json = '']) => json,
);

/** The value of an option of a command, if it has it. */
export function valueOf(options: readonly string[], flag: string): string | undefined {
  const at = options.indexOf(flag);
  return at < 0 ? undefined : options[at + 1];
}

/** `('…/{yyyy}/{HH}', '2026-11-21T08')` -> `…/2026/08`. */
export function fillHour(template: string, hour: string): string {
  const [, yyyy = '', MM = '', dd = '', HH = ''] = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)$/.exec(hour) ?? [];
  const values: Record<string, string> = { yyyy, MM, dd, HH };
  return template.replaceAll(/\{(yyyy|MM|dd|HH)\}/g, (_, name: string) => values[name] ?? '');
}

/** `s3://bucket/key/` -> its bucket and key. */
export function splitLocation(location: string): { bucket: string; key: string } {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.*)$/.exec(location) ?? [];
  return { bucket, key };
}
