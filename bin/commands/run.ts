import { openDescriptors } from '../../lambda/gauge.ts';
import { type RunResult, run as runOnce } from '../../lambda/run.ts';
import type { RollupEvent } from '../../lambda/rollup/events.ts';
import { formatSize, MiB } from '../../lambda/size.ts';
import { EXIT } from '../exit-code.ts';
import { interruptible } from '../interrupt.ts';
import { parseRollup, rollupCommand } from '../options.ts';
import { formatColumns, formatCount, formatDollars, formatNoun, printResult } from '../output.ts';
import { REQUEST_CLASSES, totalCost } from '../prices.ts';
import { showProgress } from '../progress.ts';
import { RunTally } from '../tally.ts';

const EXAMPLES = `
Examples:
  $ npm run --silent s3-rollup -- run \\
      s3://application-logs/raw/checkout/20261121/08/ \\
      s3://application-logs/aggregated/checkout/20261121/08/
  $ npm run --silent s3-rollup -- run --hour 2026-11-21T08 --json \\
      's3://application-logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      's3://application-logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/'

Run again: what is committed stays, what came since is added, and where nothing
came, nothing is done.`;

export const run = rollupCommand('run', 'roll up one prefix')
  .addHelpText('after', EXAMPLES)
  .action(async (source, destination, options) => {
    const { request, settings, connection } = await parseRollup(source, destination, options);
    const inUse = (): string => {
      const descriptors = openDescriptors();
      const files = descriptors === undefined ? '' : `, ${formatNoun(descriptors, 'descriptor')}`;
      return formatNoun(connection.gauge.connections, 'connection') + files;
    };
    const tally = new RunTally({ now: () => performance.now(), inUse });
    const display = showProgress(() => tally.read(), { enabled: options.progress });
    try {
      const report = (event: RollupEvent): void => {
        tally.add(event);
        display.update();
      };
      const result = await interruptible(
        (signal) => runOnce(request, connection, { settings, signal, report }),
        'What is written is kept: run again to go on from there.',
      );
      display.finish();
      printResult(result, formatRun, options);
      if (result.status === 'incomplete') process.exitCode = EXIT.failed;
    } finally {
      display.stop();
      connection.close();
    }
  });

export function formatRun(result: RunResult): string {
  const { status, skipped, requests, peak, bytes, durationSeconds } = result;
  const left = skipped.filtered === 0 ? '' : `, ${formatCount(skipped.filtered)} filtered`;
  const counts = REQUEST_CLASSES.map((name) => `${formatCount(requests[name])} ${name}`).join(', ');
  const descriptors =
    peak.fileDescriptors === undefined ? [] : [formatNoun(peak.fileDescriptors, 'descriptor')];
  const rate = status === 'committed' ? `, ${Math.round(bytes / MiB / durationSeconds)} MiB/s` : '';
  const rows = [
    ['source', result.source],
    ['destination', result.destination],
    [
      'objects',
      `${formatCount(result.objects)}, ${formatSize(bytes)} (${formatCount(skipped.empty)} empty${left} skipped)`,
    ],
    [
      'outputs',
      `${formatCount(result.outputs)}: ${formatCount(result.written)} written, ${formatCount(result.copied)} copied, ${formatCount(result.reused)} reused`,
    ],
    ['requests', counts],
    [
      '',
      `${formatNoun(requests.retries, 'retry').replace('retrys', 'retries')}, ${formatDollars(totalCost(requests))}`,
    ],
    ['peak', [...descriptors, formatNoun(peak.connections, 'connection')].join(', ')],
    ['', `${formatSize(peak.rssBytes)} of memory, ${formatSize(peak.inFlightBytes)} in flight`],
    ['time', `${durationSeconds.toFixed(1)} s${rate}`],
  ];
  return `${status}\n${formatColumns(rows, 'll')}`;
}
