import { RollupError } from '../../errors.ts';
import { PLACEHOLDER_LIST, fillRegex, findPlaceholder } from '../../settings/placeholders.ts';
import type { Settings } from '../../settings/table.ts';
import { type Hour, digitsOf } from '../model/hour.ts';

/**
 * Fills the placeholders in filters and `groupBy`: `{"exclude":"{HH}-debug*"}`, `2026-11-21T08` ->
 * `{"exclude":"08-debug*"}`. The manifest records them filled.
 *
 * @param hour the hour that is rolled up; undefined where it is not known
 * @param advice how to give the hour: `give --hour`
 * @throws RollupError `InvalidArgument` for a placeholder where the hour is not known
 */
export function fillSelection<S extends Partial<Pick<Settings, 'filters' | 'groupBy'>>>(
  settings: S,
  hour: Hour | undefined,
  advice: string,
): S {
  const { filters, groupBy } = settings;
  const fill = (
    name: string,
    text: string,
    into: (digits: ReadonlyMap<string, string>) => string,
  ): string => {
    const placeholder = findPlaceholder(text);
    if (placeholder === undefined) return text;
    if (hour !== undefined) return into(digitsOf(hour));
    const message = `${name} "${text}" has ${placeholder} in it, and there is no hour that fills it: ${advice}, or leave out ${PLACEHOLDER_LIST}.`;
    throw new RollupError('InvalidArgument', message);
  };
  const fillGlob = (glob: string): string =>
    fill('The filter', glob, (digits) => {
      return [...digits].reduce((text, [placeholder, value]) => text.replaceAll(placeholder, value), glob);
    });
  return {
    ...settings,
    ...(filters === undefined
      ? {}
      : {
          filters: filters.map((filter) =>
            'include' in filter
              ? { include: fillGlob(filter.include) }
              : { exclude: fillGlob(filter.exclude) },
          ),
        }),
    ...(groupBy === undefined
      ? {}
      : {
          groupBy: fill('groupBy', groupBy, (digits) =>
            fillRegex(groupBy, (found) => digits.get(found) ?? ''),
          ),
        }),
  };
}
