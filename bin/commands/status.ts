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
import pLimit from 'p-limit';
import { allOrFirstFailure } from '../../lambda/concurrency.ts';
import { RollupError } from '../../lambda/errors.ts';
import { formatSize } from '../../lambda/size.ts';
import { type Roots, replaceRoot } from '../../lambda/invocation/streams.ts';
import { EXIT } from '../output/exit-code.ts';
import { findDeployment } from '../operator/deployment.ts';
import { BAD_STATES, type HourStatus, readHourStatus } from '../operator/hour-status.ts';
import { parseRange, refuseShared } from '../operator/hours.ts';
import { operatorCommand, refuseBadEndpoint, requireOneOf, withServices } from '../operator/options.ts';
import { formatColumns, formatCount, formatNoun, printResult } from '../output/output.ts';
import { showProgress } from '../output/progress.ts';
import { named, parseAll } from '../refusals.ts';
import { SETTINGS_FILE, readSettingsFile, settingsOver } from '../options/settings-file.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup status --stack LogRollup \\
      --from 2026-11-20T00 --to 2026-11-21T08
  $ s3-rollup status --json \\
      --source 's3://logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      --destination 's3://logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      --from 2026-11-20T00 --to 2026-11-21T08

It reads manifests and lists raw prefixes, and ends with 1 where an hour is
missing, or late: raw objects came, or were changed, after it was rolled up.`;

/** Hours that are checked in parallel. */
const AT_ONCE = 8;

interface Status {
  status: 'complete' | 'incomplete';
  hours: HourStatus[];
}

export const status = operatorCommand('status', 'which hours are rolled up, late or missing')
  .option('--source <template>', "raw prefix with {yyyy} {MM} {dd} {HH} (default: the stack's streams)")
  .requiredOption('--from <hour>', 'the first hour: 2026-11-20T00, in UTC')
  .requiredOption('--to <hour>', 'the last hour, included')
  .option('--destination <template>', "of the rollups (default: the source, the stack's raw root replaced)")
  .option('--config <file>', `settings and locations as JSON (default: ${SETTINGS_FILE}, if there is one)`)
  .addHelpText('after', EXAMPLES)
  .action(async (options) => {
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
    const rowsOf = hours.flatMap((hour) => streams.map((stream) => ({ hour, stream })));
    const locations = rowsOf.map(({ hour, stream: { name, source } }) => ({
      ...locate({ source, destination }, hour, deployment?.roots),
      ...(name === undefined ? {} : { stream: name }),
    }));
    const { connect } = await import('../../lambda/s3/connection.ts');
    const { region, endpointUrl } = options;
    const connection = connect({ settings: settingsOver(file, {}), region, endpointUrl });
    let done = 0;
    const read = () => {
      const text = `${formatCount(done)} of ${formatNoun(locations.length, 'hour')}`;
      return { phase: 'reading', done: done / locations.length, brief: text, full: text };
    };
    const display = showProgress(read, { enabled: options.progress });
    try {
      const limit = pLimit(AT_ONCE);
      const stop = new AbortController();
      const now = new Date();
      const reads = locations.map(({ hour, stream, ...at }) =>
        limit(async () => {
          stop.signal.throwIfAborted();
          const row = await readHourStatus(connection, hour, at, now);
          done++;
          display.update();
          return stream === undefined ? row : { stream, ...row };
        }),
      );
      const rows = await allOrFirstFailure(reads, stop);
      display.finish();
      const bad = rows.some(({ state }) => BAD_STATES.includes(state));
      printResult({ status: bad ? 'incomplete' : 'complete', hours: rows }, formatStatus, options);
      if (bad) process.exitCode = EXIT.failed;
    } finally {
      display.stop();
      connection.close();
    }
  });

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

function formatStatus({ status: state, hours }: Status): string[] {
  const named = hours.some(({ stream }) => stream !== undefined);
  const rows = hours.map((hour) => [
    hour.hour,
    ...(named ? [hour.stream ?? ''] : []),
    formatCount(hour.objects),
    formatSize(hour.bytes),
    formatCount(hour.rolledUp),
    formatCount(hour.outputs),
    formatCount(hour.late),
    hour.state,
  ]);
  const header = [
    'hour',
    ...(named ? ['stream'] : []),
    'raw objects',
    'raw size',
    'rolled up',
    'outputs',
    'late',
    'state',
  ];
  const problems = hours.flatMap(({ hour, stream, problem }) =>
    problem === undefined ? [] : [`  ${hour}${stream === undefined ? '' : ` ${stream}`}: ${problem}`],
  );
  return [state, ...formatColumns([header, ...rows], named ? 'llrrrrrl' : 'lrrrrrl'), ...problems];
}
