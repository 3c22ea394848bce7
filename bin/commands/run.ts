import type { Deleted, RollupEvent } from '../../lambda/rollup/index.ts';
import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { type RunResult, type Usage, run as runOnce } from '../../lambda/run.ts';
import { openDescriptors } from '../../lambda/s3/client/gauge.ts';
import { MiB, formatSize } from '../../lambda/size.ts';
import { interruptible } from '../interrupt.ts';
import { parseRollup, rollupCommand } from '../options/options.ts';
import { EXIT } from '../output/exit-code.ts';
import {
  formatColumns,
  formatCount,
  formatDollars,
  formatNoun,
  formatSkipped,
  printResult,
  printWarnings,
} from '../output/output.ts';
import { REQUEST_CLASSES, totalCost } from '../output/prices.ts';
import { showProgress } from '../output/progress.ts';
import { RunTally } from '../output/tally.ts';
import type { RunUsage } from '../workers/messages.ts';
import { WorkerPool, sumOf } from '../workers/pool.ts';

const MOST_WORKERS = 64;

const EXAMPLES = `
Examples:
  $ s3-rollup run \\
      s3://application-logs/raw/checkout/20261121/08/ \\
      s3://application-logs/aggregated/checkout/20261121/08/
  $ s3-rollup run --hour 2026-11-21T08 --json \\
      's3://application-logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      's3://application-logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/'
  $ s3-rollup run s3://logs/raw/08/ s3://logs/rolled/08/ \\
      --exclude '*' --include '*.log' --group-by '^([^/]+)/'
  $ s3-rollup run --delete-source \\
      s3://application-logs/raw/checkout/20261121/08/ \\
      s3://application-logs/aggregated/checkout/20261121/08/

Run again: what is committed stays, what came since is added, and where nothing
came, nothing is done.`;

export const run = rollupCommand('run', 'roll up one prefix')
  .addOption(
    new Option('--workers <number>', 'processes that share the work, each with the concurrency above')
      .default(1)
      .argParser(parseWorkers),
  )
  .addHelpText('after', EXAMPLES)
  .action(async (source, destination, options) => {
    const { request, settings, connection, endpointUrl } = await parseRollup(source, destination, options);
    let pool: WorkerPool | undefined;
    const inUse = (): string => {
      const workers = pool?.inUse ?? { connections: 0, descriptors: 0 };
      const open = openDescriptors();
      const files = open === undefined ? '' : `, ${formatNoun(open + workers.descriptors, 'descriptor')}`;
      return formatNoun(connection.gauge.connections + workers.connections, 'connection') + files;
    };
    const tally = new RunTally({ now: () => performance.now(), inUse });
    const display = showProgress(() => tally.read(), { enabled: options.progress });
    try {
      const report = (event: RollupEvent): void => {
        tally.add(event);
        display.update();
      };
      const result = await interruptible(async (signal) => {
        if (options.workers === 1)
          return runOnce(request, connection, { settings, signal, report, by: 'command-line' });
        const { store } = connection;
        const { workers, region } = options;
        const workerPool = new WorkerPool({ workers, store, settings, endpointUrl, region, report, signal });
        pool = workerPool;
        const own = await runOnce(request, connection, {
          settings,
          signal,
          report,
          distribute: workerPool.distribute,
          by: 'workers',
          withOthers: (own) => withUsage(own, workerPool.usage),
        });
        return withUsage(own, workerPool.usage);
      }, 'What is written is kept: run again to go on from there.');
      display.finish();
      printWarnings(result, options);
      printResult(result, formatRun, options);
      if (
        result.status === 'incomplete' ||
        result.problems !== undefined ||
        result.deleted?.complete === false
      )
        process.exitCode = EXIT.failed;
    } finally {
      display.stop();
      connection.close();
    }
  });

/** Parses the value of `--workers`. Throws `InvalidArgumentError`. */
function parseWorkers(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (number >= 1 && number <= MOST_WORKERS) return number;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MOST_WORKERS}.`);
}

/** The result with the usage of the workers added: requests and peaks are sums over all processes. */
function withUsage<T extends Usage>(result: T, workers: readonly RunUsage[]): T {
  const { requests, peak } = result;
  const all = [{ requests, peak }, ...workers];
  const { fileDescriptors, ...peaks } = sumOf(
    all.map(({ peak: { fileDescriptors: open = 0, ...rest } }) => ({ ...rest, fileDescriptors: open })),
    ['connections', 'rssBytes', 'fileDescriptors'],
  );
  return {
    ...result,
    requests: sumOf(
      all.map((usage) => usage.requests),
      [...REQUEST_CLASSES, 'retries'],
    ),
    peak: { ...peak, ...peaks, ...(peak.fileDescriptors === undefined ? {} : { fileDescriptors }) },
  };
}

export function formatRun(result: RunResult): string[] {
  const { status, skipped, requests, peak, bytes, durationSeconds } = result;
  const counts = REQUEST_CLASSES.map((name) => `${formatCount(requests[name])} ${name}`).join(', ');
  const descriptors =
    peak.fileDescriptors === undefined ? [] : [formatNoun(peak.fileDescriptors, 'descriptor')];
  const rate = status === 'committed' ? `, ${Math.round(bytes / MiB / durationSeconds)} MiB/s` : '';
  const rows = [
    ['source', result.source],
    ['destination', result.destination],
    ['objects', `${formatCount(result.objects)}, ${formatSize(bytes)} (${formatSkipped(skipped)})`],
    [
      'outputs',
      `${formatCount(result.outputs)}: ${formatCount(result.written)} written, ${formatCount(result.copied)} copied, ${formatCount(result.reused)} reused`,
    ],
    ...(result.headersKept === undefined || result.headersKept === 0
      ? []
      : [['', `${formatNoun(result.headersKept, 'source')} kept other header lines`]]),
    ...(result.deleted === undefined ? [] : describeDeleted(result.deleted)),
    ['requests', counts],
    [
      '',
      `${formatNoun(requests.retries, 'retry').replace('retrys', 'retries')}, ${formatDollars(totalCost(requests))}`,
    ],
    ['peak', [...descriptors, formatNoun(peak.connections, 'connection')].join(', ')],
    ['', `${formatSize(peak.rssBytes)} of memory, ${formatSize(peak.inFlightBytes)} in flight`],
    ['time', `${durationSeconds.toFixed(1)} s${rate}`],
  ];
  const problems = (result.problems ?? []).map(({ code, message }) => `  ${message} (${code})`);
  const but = problems.length === 0 ? [] : ['but not all that follows was done:', ...problems];
  return [status, ...formatColumns(rows, 'll'), ...but];
}

function describeDeleted({ objects, bytes, kept, complete }: Deleted): string[][] {
  const reasons = Object.entries({
    'not in the rollup': kept.uncommitted,
    'changed since': kept.changed,
    'in a damaged output': kept.unverified,
    refused: kept.refused,
  }).filter(([, count]) => count > 0);
  const left = reasons.map(([reason, count]) => `${formatCount(count)} ${reason}`).join(', ');
  return [
    ['deleted', `${formatNoun(objects, 'source')}, ${formatSize(bytes)}`],
    ...(left === '' ? [] : [['', `left: ${left}`]]),
    ...(complete ? [] : [['', 'not finished: run again']]),
  ];
}
