import { PLACEHOLDERS } from '../../lambda/settings/placeholders.ts';

/** A character of a pattern: itself, or the place of a digit in an hour that is written as `2026112108`. */
type Cell = string | number;

/** Digits of an hour that is written as `2026112108`, by their place; undefined where any will do. */
type Digits = (string | undefined)[];

/** Two hours, one for each of two patterns, as `2026-11-21T08`. */
export type Meeting = [one: string, other: string];

/** Two digits or four of an hour that is written as `2026112108`. */
interface Field {
  placeholder: string;
  /** Place of its first digit. */
  start: number;
  /** Its values. Those that come first are looked at first. */
  values: readonly string[];
  /** Values of one class are in the calendar with the same other fields. */
  classOf: (value: string) => string;
}

const numbers = (from: number, to: number, width: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i).padStart(width, '0'));

const FIELDS: readonly Field[] = [
  { placeholder: '{HH}', start: 8, values: ['08', ...numbers(0, 23, 2)], classOf: () => '' },
  { placeholder: '{MM}', start: 4, values: ['11', ...numbers(1, 12, 2)], classOf: daysOfMonth },
  {
    placeholder: '{dd}',
    start: 6,
    values: ['21', ...numbers(1, 31, 2)],
    classOf: (day) => (day > '28' ? day : ''),
  },
  { placeholder: '{yyyy}', start: 0, values: ['2026', '2028', ...numbers(0, 9999, 4)], classOf: leapOf },
];

function daysOfMonth(month: string): string {
  return month === '02' ? '28' : ['04', '06', '09', '11'].includes(month) ? '30' : '31';
}

function leapOf(text: string): string {
  const year = Number(text);
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 'leap' : '';
}

/**
 * Finds two hours for which one of two templates is filled with what the other, filled, begins with: objects under the
 * longer prefix are then under the shorter one too.
 *
 * @param one, other templates with `{yyyy}`, `{MM}`, `{dd}` and `{HH}`; all other text stands for itself
 * @returns undefined where there are none: the templates never meet
 */
export function findMeeting(one: string, other: string): Meeting | undefined {
  return meetingOf(cellsOf(one), cellsOf(other));
}

function meetingOf(a: readonly Cell[], b: readonly Cell[]): Meeting | undefined {
  // Most pairs differ in their text: that is seen first.
  for (let at = 0; at < Math.min(a.length, b.length); at++)
    if (typeof a[at] === 'string' && typeof b[at] === 'string' && a[at] !== b[at]) return undefined;
  const ofOne: Digits = new Array<undefined>(10).fill(undefined);
  const ofOther: Digits = [...ofOne];
  /** Places of digits of the one hour, and of those of the other that must be the same. */
  const links: [number, number][] = [];
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const [x, y] = [a[at], b[at]];
    if (typeof x === 'number' && typeof y === 'number') links.push([x, y]);
    else if (typeof x === 'number' && typeof y === 'string') {
      if (!fix(ofOne, x, y)) return undefined;
    } else if (typeof x === 'string' && typeof y === 'number' && !fix(ofOther, y, x)) return undefined;
  }
  if (findHour(ofOne) === undefined || findHour(ofOther) === undefined) return undefined;
  /** The digits that the other hour must have if the one has these; undefined where no hour of the calendar has them. */
  const linkedTo = (digits: Digits): Digits | undefined => {
    const linked = [...ofOther];
    const fits = links.every(([x, y]) => digits[x] === undefined || fix(linked, y, digits[x]));
    return fits ? findHour(linked) : undefined;
  };
  const apart = new Set(links.map(([x]) => x));
  const first = findHour(ofOne, apart, (digits) => linkedTo(digits) !== undefined);
  const second = first && linkedTo(first);
  return first && second && [formatHour(first), formatHour(second)];
}

function cellsOf(template: string): Cell[] {
  return template.split(/(\{(?:yyyy|MM|dd|HH)\})/).flatMap((piece): Cell[] => {
    const field = FIELDS.find(({ placeholder }) => placeholder === piece);
    if (field === undefined) return piece.split('');
    return Array.from({ length: PLACEHOLDERS.get(piece) ?? 0 }, (_, i) => field.start + i);
  });
}

/** Sets a digit. False if it has another value already, or the value is no digit. */
function fix(digits: Digits, at: number, value: string): boolean {
  if (!/^\d$/.test(value) || (digits[at] ?? value) !== value) return false;
  digits[at] = value;
  return true;
}

/**
 * Finds an hour of the calendar that has these digits.
 *
 * @param apart places in which hours with other digits are tried one by one; of hours that differ in no such place, and are
 *   alike in the calendar, one is tried
 * @param fits returns false for digits, of which some may be missing, that no hour may have
 */
function findHour(
  digits: Digits,
  apart: ReadonlySet<number> = new Set(),
  fits: (digits: Digits) => boolean = () => true,
  fields = FIELDS,
): Digits | undefined {
  const [field, ...others] = fields;
  if (field === undefined) return isInCalendar(digits) ? digits : undefined;
  const { start, values, classOf } = field;
  const tried = new Set<string>();
  for (const value of values) {
    const found = [...digits];
    if (!value.split('').every((digit, i) => fix(found, start + i, digit))) continue;
    const shown = value.split('').filter((_, i) => apart.has(start + i));
    const kind = `${shown.join('')} ${classOf(value)}`;
    if (tried.has(kind)) continue;
    tried.add(kind);
    const hour = fits(found) ? findHour(found, apart, fits, others) : undefined;
    if (hour !== undefined) return hour;
  }
  return undefined;
}

function isInCalendar(digits: Digits): boolean {
  const [year, month, day] = [
    digits.slice(0, 4).join(''),
    digits.slice(4, 6).join(''),
    Number(digits.slice(6, 8).join('')),
  ];
  return day <= Number(daysOfMonth(month)) + (month === '02' && leapOf(year) === 'leap' ? 1 : 0);
}

/** `2026112108` -> `2026-11-21T08` */
function formatHour(digits: Digits): string {
  return digits.join('').replace(/(....)(..)(..)(..)/, '$1-$2-$3T$4');
}

/** A stream by its whole templates, which begin with the bucket. */
export interface Templates {
  name: string;
  source: string;
  destination: string;
}

/** Two streams that would take in the same objects, or write into one another. */
export interface Overlap {
  /** Index of the later one of the two. */
  index: number;
  message: string;
}

/**
 * Finds streams whose prefixes overlap at some hour: the source of one with that of another, the destination of one with that
 * of another, or a source with any destination.
 *
 * @returns at most one overlap for each stream
 */
export function findOverlaps(streams: readonly Templates[]): Overlap[] {
  const all = streams.map((stream) => ({
    ...stream,
    cells: { source: cellsOf(stream.source), destination: cellsOf(stream.destination) },
  }));
  return all.flatMap((stream, index) => {
    for (let at = 0; at <= index; at++) {
      const message = overlapOf(stream, all[at] as Tokenised);
      if (message !== undefined) return [{ index, message }];
    }
    return [];
  });
}

type Tokenised = Templates & { cells: { source: Cell[]; destination: Cell[] } };

function overlapOf(stream: Tokenised, other: Tokenised): string | undefined {
  const isSame = stream === other;
  const pairs = [
    ...(isSame ? [] : [['source', 'source'] as const]),
    ...(isSame ? [] : [['destination', 'destination'] as const, ['destination', 'source'] as const]),
    ['source', 'destination'] as const,
  ];
  for (const [own, its] of pairs) {
    const hours = meetingOf(stream.cells[own], other.cells[its]);
    if (hours === undefined) continue;
    const [prefix, otherPrefix] = [shown(stream[own], hours[0]), shown(other[its], hours[1])];
    const of = isSame ? 'its own' : `that of ${other.name}`;
    const what = own === its ? of : `the ${its} of ${isSame ? 'the same stream' : other.name}`;
    return `overlaps ${what}: ${own} ${prefix} (hour ${hours[0]}) and ${its} ${otherPrefix} (hour ${hours[1]}) begin alike, so that objects would be rolled up twice`;
  }
  return undefined;
}

/** The prefix at an hour, without its bucket, whose name may not be known yet. */
function shown(template: string, hour: string): string {
  const digits = hour.replace(/\D/g, '');
  return FIELDS.reduce(
    (text, { placeholder, start, values: [sample = ''] }) =>
      text.replaceAll(placeholder, digits.slice(start, start + sample.length)),
    template.replace(/^s3:\/\/[^/]*\//, ''),
  );
}
