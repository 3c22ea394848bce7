import { RollupError } from '../../errors.ts';
import { PLACEHOLDERS, PLACEHOLDER_LIST, findForeign } from '../../settings/placeholders.ts';

/** An hour in UTC, as `2026-11-21T08`. */
export type Hour = string & { readonly __hour: unique symbol };

const HOUR = /^(\d{4})-(\d{2})-(\d{2})T(\d{2})$/;

/**
 * Checks that a text is an hour: `2026-11-21T08` -> itself.
 *
 * @throws RollupError `InvalidArgument` for any other text, and for a day that is in no calendar
 */
export function parseHour(text: string): Hour {
  if (isHour(text)) return text;
  throw new RollupError('InvalidArgument', `"${text}" is not an hour: write it in UTC as 2026-11-21T08.`);
}

function isHour(text: string): text is Hour {
  if (!HOUR.test(text)) return false;
  const start = new Date(`${text}:00:00.000Z`);
  return !Number.isNaN(start.getTime()) && formatHour(start) === text;
}

/** The hour that an instant lies in: `2026-11-21T08:59:59.999Z` -> `2026-11-21T08`. */
export function formatHour(instant: Date): Hour {
  return instant.toISOString().slice(0, 13) as Hour;
}

/** The instant at which the hour ends: `2026-11-21T08` -> `2026-11-21T09:00:00.000Z`. */
export function hourEnd(hour: Hour): Date {
  return new Date(Date.parse(`${hour}:00:00.000Z`) + 3_600_000);
}

/** The hour that lies `hours` before another: `2026-11-21T01`, 2 -> `2026-11-20T23`. */
export function hourBefore(hour: Hour, hours: number): Hour {
  return formatHour(new Date(Date.parse(`${hour}:00:00.000Z`) - hours * 3_600_000));
}

/** The digits of an hour by its placeholders: `2026-11-21T08` -> `{yyyy}` 2026, `{MM}` 11, `{dd}` 21, `{HH}` 08. */
export function digitsOf(hour: Hour): ReadonlyMap<string, string> {
  const [, yyyy = '', MM = '', dd = '', HH = ''] = HOUR.exec(hour) ?? [];
  return new Map(Object.entries({ '{yyyy}': yyyy, '{MM}': MM, '{dd}': dd, '{HH}': HH }));
}

/**
 * Fills the placeholders of a template: `s3://b/raw/{yyyy}{MM}{dd}/{HH}/`, `2026-11-21T08` -> `s3://b/raw/20261121/08/`.
 *
 * @throws RollupError `InvalidArgument` for a placeholder other than `{yyyy}`, `{MM}`, `{dd}` and `{HH}`
 */
export function fillHour(template: string, hour: Hour): string {
  refuseForeign(template);
  const digits = digitsOf(hour);
  return template.replace(/\{[^{}]*\}/g, (placeholder) => {
    const value = digits.get(placeholder);
    if (value !== undefined) return value;
    throw new RollupError(
      'InvalidArgument',
      `"${placeholder}" in "${template}" is not a placeholder: use ${PLACEHOLDER_LIST}.`,
    );
  });
}

/**
 * Refuses a template or prefix with a placeholder that other programs fill: `%Y`, `!{timestamp:yyyy}`, `{mm}`.
 *
 * @throws RollupError `InvalidArgument` that names the placeholder to write in its place
 */
export function refuseForeign(template: string): void {
  const foreign = findForeign(template);
  if (foreign === undefined) return;
  const { found, use } = foreign;
  throw new RollupError(
    'InvalidArgument',
    `"${found}" in "${template}" is not a placeholder: use ${use}, which the hour fills.`,
  );
}

/**
 * The reverse of `fillHour`: `s3://b/raw/{yyyy}{MM}{dd}/{HH}/`, `s3://b/raw/20261121/08/` -> `2026-11-21T08`. Placeholders have
 * a fixed width, and all other text is compared as it is, so that the result is never ambiguous.
 *
 * @returns undefined if the text is not the whole template, filled from one hour of the calendar, or if the template does
 *   not have all of `{yyyy}`, `{MM}`, `{dd}` and `{HH}`
 */
export function hourOfFilled(template: string, filled: string): Hour | undefined {
  const fields = new Map<string, string>();
  let at = 0;
  for (const piece of template.split(/(\{[^{}]*\})/)) {
    const width = PLACEHOLDERS.get(piece);
    if (width === undefined) {
      if (!filled.startsWith(piece, at)) return undefined;
      at += piece.length;
      continue;
    }
    const value = filled.slice(at, at + width);
    at += width;
    if ((fields.get(piece) ?? value) !== value) return undefined;
    fields.set(piece, value);
  }
  const [yyyy, MM, dd, HH] = Array.from(PLACEHOLDERS.keys(), (name) => fields.get(name) ?? '');
  const hour = `${yyyy}-${MM}-${dd}T${HH}`;
  return at === filled.length && isHour(hour) ? hour : undefined;
}

/** True if the text has placeholders, such as `{yyyy}`. */
export function hasPlaceholders(template: string): boolean {
  return /\{[^{}]*\}/.test(template);
}
