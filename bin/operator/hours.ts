import { type Hour, fillHour, formatHour, hourEnd, parseHour } from '../../lambda/rollup/index.ts';
import { RollupError } from '../../lambda/errors.ts';
import { refuseGlob } from '../options/locations.ts';
import { named, parseAll } from '../refusals.ts';

/** Most hours of a range: ten years. */
const MOST_HOURS = 87_672;

/** Every hour from the first to the last, both included. Throws `InvalidArgument`. */
export function parseRange(fromText: string, toText: string): Hour[] {
  const { from, to } = parseAll({
    from: () => named('--from', () => parseHour(fromText)),
    to: () => named('--to', () => parseHour(toText)),
  });
  if (from > to) throw new RollupError('InvalidArgument', `--from ${from} is after --to ${to}.`);
  const hours: Hour[] = [];
  for (let hour = from; hour <= to; hour = formatHour(hourEnd(hour))) {
    hours.push(hour);
    if (hours.length > MOST_HOURS) {
      throw new RollupError('InvalidArgument', `From ${from} to ${to} are more than ten years.`);
    }
  }
  return hours;
}

/** Throws `InvalidArgument` for a glob, and if two hours of a range would have the same prefix. */
export function refuseShared(flag: string, template: string, hours: Hour[]): void {
  named(flag, () => {
    refuseGlob(template);
  });
  const seen = new Map<string, Hour>();
  for (const hour of hours) {
    const uri = fillHour(template, hour);
    const other = seen.get(uri);
    if (other !== undefined) {
      const message = `${flag} "${template}" is ${uri} both for ${other} and for ${hour}: it lacks placeholders such as {HH}.`;
      throw new RollupError('InvalidArgument', message);
    }
    seen.set(uri, hour);
  }
}
