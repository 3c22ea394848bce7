import { type SizesOfBoth, readHourReport } from '../report/hour-report.ts';
import { type Report, reportOf } from '../report/report.ts';
import { rangeCommand, readRange } from '../operator/read-range.ts';
import { formatColumns, formatCount, formatDollars, formatNoun, printResult } from '../output/output.ts';
import { resolveTyped, writeWhole } from '../output/output-file.ts';
import { formatSize } from '../../lambda/size.ts';

const DEFAULT_FILE = 's3-rollup-report.html';

const EXAMPLES = `
Examples:
  $ s3-rollup report --stack LogRollup \\
      --from 2026-11-01T00 --to 2026-11-30T23 --output november.html
  $ s3-rollup report --json \\
      --source 's3://logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      --destination 's3://logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      --from 2026-11-20T00 --to 2026-11-21T08

The page is one file that loads nothing: hours as a heat map, volume, limits,
cost, and what needs attention. It reads what status reads, and ends with 0
whatever it finds; status ends with 1 where an hour is missing or late.`;

export const report = rangeCommand('report', 'hours as one page: state, volume, limits and cost')
  .option('--output <file>', `the page (default: ${DEFAULT_FILE}; with --json none)`)
  .addHelpText('after', EXAMPLES)
  .action(async (options) => {
    const { from, to, stack, json } = options;
    const sizes: SizesOfBoth = { sources: [], outputs: [] };
    const { rows, deadLetters } = await readRange(options, (...hour) => readHourReport(...hour, sizes));
    const made = reportOf(rows, { from, to, now: new Date(), stack, deadLetters, sizes });
    const output = options.output ?? (json === true ? undefined : DEFAULT_FILE);
    let bytes = 0;
    if (output !== undefined) {
      // The charts' library, which takes long to load, is loaded only here.
      const { chartsOf } = await import('../report/charts.ts');
      const { formatPage } = await import('../report/page.ts');
      const charts = chartsOf(made);
      bytes = await writeWhole(resolveTyped(output), buffersOf(formatPage(made, charts)));
    }
    printResult(made, (result) => formatReport(result, output ?? '', bytes), options);
  });

// eslint-disable-next-line @typescript-eslint/require-await -- writeWhole takes what may have to be waited for.
async function* buffersOf(texts: Iterable<string>): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

function formatReport({ status, totals, cost, attention }: Report, output: string, bytes: number): string[] {
  const states = Object.entries(totals.hours).filter(([, count]) => count > 0);
  const rows = [
    ['hours', states.map(([state, count]) => `${formatCount(count)} ${state}`).join(', ')],
    ['sources', `${formatCount(totals.objects)}, ${formatSize(totals.bytes)}`],
    ['outputs', `${formatCount(totals.outputs)}, ${formatSize(totals.outputBytes)}`],
    [
      'requests',
      `${formatDollars(cost.requests)} for ${formatNoun(cost.hoursWithFigures, 'hour')} with figures`,
    ],
    ['attention', formatNoun(attention.length, 'matter')],
    ['page', `${output}, ${formatSize(bytes)}`],
  ];
  return [status, ...formatColumns(rows, 'll')];
}
