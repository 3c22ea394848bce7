import {
  type Hour,
  type Location,
  type RollupRequest,
  fillHour,
  hasPlaceholders,
  parseLocation,
  parseSource,
  refuseOverlap,
} from '../../lambda/rollup/index.ts';
import { allOrFirstFailure } from '../../lambda/concurrency.ts';
import { RollupError } from '../../lambda/errors.ts';
import { type Roots, replaceRoot } from '../../lambda/invocation/streams.ts';
import type { Connection } from '../../lambda/s3/connection.ts';
import { formatCount, formatNoun } from '../output/output.ts';
import { showProgress } from '../output/progress.ts';
import { named, parseAll } from '../refusals.ts';
import { open } from '../options/options.ts';
import { SETTINGS_FILE, readSettingsFile, settingsOver } from '../options/settings-file.ts';
import { type DeadLetters, withDeadLetters } from './dead-letters.ts';
import { findDeployment } from './deployment.ts';
import type { HourStatus } from './hour-status.ts';
import { parseRange, refuseShared } from './hours.ts';
import { operatorCommand, refuseBadEndpoint, requireOneOf, withServices } from './options.ts';

/** Hours that are read in parallel. */
const AT_ONCE = 8;

/** A command that reads a range of hours, of one source or of the streams of a stack. */
export function rangeCommand(name: string, description: string) {
  return operatorCommand(name, description)
    .option('--source <template>', "raw prefix with {yyyy} {MM} {dd} {HH} (default: the stack's streams)")
    .requiredOption('--from <hour>', 'the first hour: 2026-11-20T00, in UTC')
    .requiredOption('--to <hour>', 'the last hour, included')
    .option('--destination <template>', "of the rollups (default: the source, the stack's raw root replaced)")
    .option('--config <file>', `settings and locations as JSON (default: ${SETTINGS_FILE}, if there is one)`);
}

export type RangeOptions = ReturnType<ReturnType<typeof rangeCommand>['opts']>;

/** The hours of a range, in order, and within an hour the streams in theirs. */
export interface RangeRead<T> {
  rows: T[];
  /** Undefined unless locations came from a stack. */
  deadLetters: DeadLetters | undefined;
}

/**
 * Reads every hour of every stream, a few at once, with progress on stderr; then the dead letters of the stack.
 *
 * @param readHour reads one hour; `now` is the same for all of them
 * @throws RollupError `InvalidArgument` for options that say no hours, and the first failure of `readHour`
 */
export async function readRange<T extends HourStatus>(
  options: RangeOptions,
  readHour: (connection: Connection, hour: Hour, request: RollupRequest, now: Date) => Promise<T>,
): Promise<RangeRead<T>> {
  const { stack } = options;
  const file = readSettingsFile(options.config);
  // Typed locations are not combined with those of the settings file: they may belong to different rollups.
  const isTyped = [stack, options.source, options.destination].some((value) => value !== undefined);
  const { source, destination } = isTyped ? options : file;
  const { hours } = parseAll({
    hours: () => parseRange(options.from, options.to),
    source: () => {
      requireOneOf({ '--stack': stack, '--source': source });
    },
    destination: () => {
      requireOneOf({ '--stack': stack, '--destination': destination });
      if (destination === undefined || source !== undefined) return;
      throw new RollupError('InvalidArgument', '--destination is for one --source: give both, or neither.');
    },
  });
  refuseBadEndpoint(options);
  if (source !== undefined) refuseShared('--source', source, hours);
  if (destination !== undefined) refuseShared('--destination', destination, hours);
  const deployment =
    destination === undefined
      ? await withServices(options, (services) => findDeployment(services, stack))
      : undefined;
  const streams = source === undefined ? (deployment?.streams ?? []) : [{ name: undefined, source }];
  let count = 0;
  const placesOf = function* () {
    let row = 0;
    for (const hour of hours)
      for (const { name: stream, source } of streams)
        yield { row: row++, stream, ...locate({ source, destination }, hour, deployment?.roots) };
  };
  // Each is made once before any is read: locations that are wrong are refused first.
  for (const { row } of placesOf()) count = row + 1;
  const { region, endpointUrl } = options;
  const [first] = placesOf();
  const buckets = first === undefined ? [] : [first.source, first.destination];
  const connection = await open(settingsOver(file, {}), endpointUrl, region, buckets);
  let done = 0;
  const read = () => {
    const text = `${formatCount(done)} of ${formatNoun(count, 'hour')}`;
    return { phase: 'reading', done: done / count, brief: text, full: text };
  };
  const display = showProgress(read, { enabled: options.progress });
  try {
    const stop = new AbortController();
    const now = new Date();
    const rows: T[] = [];
    // All take from one list, so that an hour takes no memory before it is read.
    const left = placesOf();
    const readSome = async (): Promise<void> => {
      for (const { row, hour, stream, ...at } of left) {
        stop.signal.throwIfAborted();
        const read = await readHour(connection, hour, at, now);
        rows[row] = stream === undefined ? read : { stream, ...read };
        done++;
        display.update();
      }
    };
    await allOrFirstFailure(Array.from({ length: AT_ONCE }, readSome), stop);
    const result =
      deployment === undefined
        ? { rows, deadLetters: undefined }
        : await withServices(options, (services) => withDeadLetters(services, deployment, rows));
    display.finish();
    return result;
  } finally {
    display.stop();
    connection.close();
  }
}

function locate(
  { source: template, destination }: { source: string; destination?: string | undefined },
  hour: Hour,
  roots: Roots | undefined,
): RollupRequest & { hour: Hour } {
  const asWritten = hasPlaceholders(template);
  const source = named('--source', () => parseSource(fillHour(template, hour)));
  if (destination === undefined)
    return { hour, source, destination: destinationOf(source, roots), asWritten };
  const to = named('--destination', () => parseLocation(fillHour(destination, hour)));
  refuseOverlap(source, to);
  return { hour, source, destination: to, asWritten };
}

function destinationOf(source: Location, roots: Roots | undefined): Location {
  const { rawRoot } = roots ?? {};
  const isInside = source.bucket === rawRoot?.bucket && source.prefix.startsWith(rawRoot.prefix);
  if (roots !== undefined && isInside) return replaceRoot(roots, source);
  throw new RollupError('OutsideRoot', `--source is not under the stack's raw root: give --destination.`);
}
