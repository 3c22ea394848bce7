import { planRun } from '../../lambda/plan.ts';
import { type OutputAction, type RollupEvent, parseLocation } from '../../lambda/rollup/index.ts';
import { formatSize } from '../../lambda/size.ts';
import { type Forecast, forecast } from '../output/forecast.ts';
import { formatHistogram } from '../output/histogram.ts';
import { interruptible } from '../interrupt.ts';
import { parseRollup, rollupCommand } from '../options/options.ts';
import {
  formatColumns,
  formatCount,
  formatDollars,
  formatNoun,
  formatSkipped,
  printResult,
  printWarnings,
} from '../output/output.ts';
import { REQUEST_CLASSES, costOf } from '../output/prices.ts';
import { PRICES } from '../../lambda/prices.ts';
import { showProgress } from '../output/progress.ts';
import { RunTally } from '../output/tally.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup plan \\
      s3://application-logs/raw/checkout/20261121/08/ \\
      s3://application-logs/aggregated/checkout/20261121/08/
  $ s3-rollup plan s3://logs/a/ s3://logs/b/ --json

It lists both sides and reads the manifest, if there is one. It writes nothing.
Of an output it says write (download, join, upload), copy (inside S3), reuse
(there from a run that was cut short), or sealed (committed, stays as it is).`;

/** Number of outputs that are shown of a long plan, from its beginning and from its end. */
const SHOWN = { first: 10, last: 5 };

const ACTIONS: Record<OutputAction, string> = {
  write: 'to write',
  copy: 'to copy',
  reuse: 'there already',
  sealed: 'sealed',
};

export const plan = rollupCommand('plan', 'what run would do, and its cost')
  .addHelpText('after', EXAMPLES)
  .action(async (source, destination, options) => {
    const { request, settings, connection } = await parseRollup(source, destination, options);
    const { gauge } = connection;
    const tally = new RunTally({
      now: () => performance.now(),
      inUse: () => formatNoun(gauge.connections, 'connection'),
    });
    const display = showProgress(() => tally.read(), { enabled: options.progress });
    try {
      const report = (event: RollupEvent): void => {
        tally.add(event);
        display.update();
      };
      const { plan, sizes } = await interruptible(
        (signal) => planRun(request, connection, { settings, signal, report }),
        'Nothing was written.',
      );
      display.finish();
      printWarnings(plan, options);
      printResult(forecast(plan, sizes), formatForecast, options);
    } finally {
      display.stop();
      connection.close();
    }
  });

export function formatForecast(plan: Forecast): string[] {
  const { objects, bytes, skipped, outputs, sizes, requests, cost } = plan;
  const actions = Object.entries(ACTIONS).flatMap(([action, words]) => {
    const count = outputs.filter((output) => output.action === action).length;
    return count === 0 ? [] : [`${formatCount(count)} ${words}`];
  });
  const summary = formatColumns(
    [
      ['source', plan.source],
      ['destination', plan.destination],
      ['objects', `${formatCount(objects)}, ${formatSize(bytes)} (${formatSkipped(skipped)})`],
      ['outputs', `${formatCount(outputs.length)}${actions.length === 0 ? '' : `: ${actions.join(', ')}`}`],
    ],
    'll',
  );
  const sections = [[formatExpected(plan), ...summary]];
  if (outputs.length > 0) sections.push(formatOutputs(outputs, plan.destination));
  if (plan.filtered.length > 0) sections.push(formatFiltered(plan));
  if (sizes.length > 0) sections.push(['source sizes', ...formatHistogram(sizes)]);
  sections.push([`requests, at the prices of ${cost.prices}`, ...formatRequests(requests, cost.usd)]);
  return sections.flatMap((lines, i) => (i === 0 ? lines : ['', ...lines]));
}

/** One sentence about the outcome that `run` would have. */
function formatExpected({ expected, outputs, requests }: Forecast): string {
  const verbs = Object.entries({ write: 'write', copy: 'copy', reuse: 'reuse' }).flatMap(([action, verb]) => {
    const count = outputs.filter((output) => output.action === action).length;
    return count === 0 ? [] : [`${verb} ${formatNoun(count, 'output')}`];
  });
  switch (expected) {
    case 'committed':
      return `a run would ${[...verbs, 'commit'].join(', ').replace(/, commit$/, ' and commit')}`;
    case 'unchanged': {
      const sweep = requests.delete === 0 ? '' : ', but for leftovers of other runs to delete';
      return `nothing to do: all of it is rolled up already${sweep}`;
    }
    case 'empty':
      return 'nothing to roll up: a run would commit an empty rollup';
  }
}

function formatFiltered({ filtered, skipped }: Forecast): string[] {
  const left = skipped.filtered - filtered.length;
  const more = left > 0 ? [`… ${formatCount(left)} more`] : [];
  return ['filtered: left out, or in no group', ...[...filtered, ...more].map((text) => `  ${text}`)];
}

/** One line an output, with its key below the destination. */
function formatOutputs(outputs: Forecast['outputs'], destination: string): string[] {
  const { prefix } = parseLocation(destination);
  const rows = outputs.map(({ index, key, action, sources, size }) => [
    String(index),
    key.slice(prefix.length),
    formatCount(sources),
    formatSize(size),
    action,
  ]);
  const left = rows.length - SHOWN.first - SHOWN.last;
  if (left > 1) rows.splice(SHOWN.first, left, ['', `… ${formatCount(left)} more`, '', '', '']);
  return ['outputs', ...formatColumns([['#', 'key', 'sources', 'size', 'action'], ...rows], 'rlrrl')];
}

function formatRequests(requests: Forecast['requests'], usd: number): string[] {
  const rows = REQUEST_CLASSES.map((name) => [
    name,
    formatCount(requests[name]),
    PRICES.per1000[name] === 0 ? 'free' : `$${PRICES.per1000[name]} per 1,000`,
    formatDollars(costOf(name, requests)),
  ]);
  return formatColumns([...rows, ['total', '', '', formatDollars(usd)]], 'lrrr');
}
