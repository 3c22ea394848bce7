import { RollupError } from '../errors.ts';

/** An hour in UTC, as `2026-11-21T08`. */
export type Hour = string & { readonly __hour: unique symbol };

const HOUR = /^(\d{4})-(\d{2})-(\d{2})T(\d{2})$/;

/** `2026-11-21T08` -> itself. Throws `InvalidArgument` for anything else, and for a day that is in no calendar. */
export function parseHour(text: string): Hour {
  if (HOUR.test(text)) {
    const start = new Date(`${text}:00:00.000Z`);
    if (!Number.isNaN(start.getTime()) && formatHour(start) === text) return text as Hour;
  }
  throw new RollupError('InvalidArgument', `"${text}" is not an hour: write it in UTC as 2026-11-21T08.`);
}

/** `2026-11-21T08:59:59.999Z` -> `2026-11-21T08`. */
export function formatHour(instant: Date): Hour {
  return instant.toISOString().slice(0, 13) as Hour;
}

/** The instant at which the hour is over: `2026-11-21T08` -> `2026-11-21T09:00:00.000Z`. */
export function hourEnd(hour: Hour): Date {
  return new Date(Date.parse(`${hour}:00:00.000Z`) + 3_600_000);
}

/** `2026-11-21T01`, 2 -> `2026-11-20T23`. */
export function hourBefore(hour: Hour, hours: number): Hour {
  return formatHour(new Date(Date.parse(`${hour}:00:00.000Z`) - hours * 3_600_000));
}

/** `s3://b/raw/{yyyy}{MM}{dd}/{HH}/`, `2026-11-21T08` -> `s3://b/raw/20261121/08/`. */
export function fillHour(template: string, hour: Hour): string {
  const [, yyyy = '', MM = '', dd = '', HH = ''] = HOUR.exec(hour) ?? [];
  const fields = new Map(Object.entries({ yyyy, MM, dd, HH }));
  return template.replace(/\{([^{}]*)\}/g, (placeholder, name: string) => {
    const value = fields.get(name);
    if (value !== undefined) return value;
    throw new RollupError(
      'InvalidArgument',
      `"${placeholder}" in "${template}" is not a placeholder: use {yyyy}, {MM}, {dd} and {HH}.`,
    );
  });
}

/** True where `{yyyy}` and the like still stand in the text. */
export function hasPlaceholders(template: string): boolean {
  return /\{[^{}]*\}/.test(template);
}
