import { type Location, parseLocation } from '../rollup/index.ts';
import { z } from 'zod';
import { RollupError } from '../errors.ts';
import { ENV } from '../names.ts';
import { ROWS, parseSettings, variableOf } from '../settings/settings.ts';
import { type Settings } from '../settings/table.ts';
import { type Roots, type Stream, parseStreams } from './streams.ts';

/** The function's configuration, from its environment. */
export interface FunctionConfig {
  settings: Settings;
  rawRoot: Location;
  aggregatedRoot: Location;
  /** The streams whose hours requests may be for. Empty only with `allowAnyPrefix`. */
  streams: readonly Stream[];
  /** Queue of continuations. Without one, a run that runs out of time is reported as incomplete and not continued. */
  queueUrl: string | undefined;
  /** State machine of large requests. Without one, every request is carried out by the invocation itself. */
  stateMachineArn?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the function's variables. A variable that is empty counts as not set.
 *
 * @throws RollupError `InvalidEnvironment`, one that names every variable at fault
 */
export function parseEnvironment(environment: Environment): FunctionConfig {
  const value = (name: string): string | undefined => {
    const text = environment[name];
    return text === '' ? undefined : text;
  };
  const problems: string[] = [];
  const orProblem = <T>(parse: () => T, prefix = ''): T | undefined => {
    try {
      return parse();
    } catch (error) {
      problems.push(prefix + (error instanceof Error ? error.message : String(error)));
      return undefined;
    }
  };
  const location = (name: string): Location | undefined => {
    const text = value(name);
    if (text !== undefined) return orProblem(() => parseLocation(text), `${name}: `);
    problems.push(`${name} is not set: it must be s3://bucket/prefix/.`);
    return undefined;
  };
  const streamsUnder = (roots: Roots): Stream[] => {
    const text = value(ENV.streams);
    if (text !== undefined) return orProblem(() => parseStreams(text, roots), `${ENV.streams}: `) ?? [];
    if (settings?.allowAnyPrefix !== true) problems.push(`${ENV.streams} is not set: deploy again.`);
    return [];
  };
  const rows = ROWS.filter(({ only }) => only !== 'command line');
  const raw = Object.fromEntries(rows.map(({ name }) => [name, value(variableOf(name))]));
  const settings = orProblem(() => parseSettings(raw, variableOf));
  const rawRoot = location(ENV.rawRoot);
  const aggregatedRoot = location(ENV.aggregatedRoot);
  if (rawRoot !== undefined && aggregatedRoot !== undefined && overlap(rawRoot, aggregatedRoot))
    problems.push(`${ENV.rawRoot} and ${ENV.aggregatedRoot} overlap: rollups would be rolled up.`);
  const streams =
    rawRoot === undefined || aggregatedRoot === undefined ? [] : streamsUnder({ rawRoot, aggregatedRoot });
  const queueUrl = value(ENV.queueUrl);
  if (queueUrl !== undefined && !z.url({ protocol: /^https?$/ }).safeParse(queueUrl).success)
    problems.push(`${ENV.queueUrl} is not a URL: "${queueUrl}".`);
  if (
    settings === undefined ||
    rawRoot === undefined ||
    aggregatedRoot === undefined ||
    problems.length > 0
  ) {
    throw new RollupError('InvalidEnvironment', problems.join(' '));
  }
  const stateMachineArn = value(ENV.stateMachineArn);
  return { settings, rawRoot, aggregatedRoot, streams, queueUrl, stateMachineArn };
}

function overlap(one: Location, other: Location): boolean {
  return (
    one.bucket === other.bucket &&
    (one.prefix.startsWith(other.prefix) || other.prefix.startsWith(one.prefix))
  );
}
