import { type VerifyReport, verify as verifyOnce } from '../../lambda/rollup/index.ts';
import { MiB, formatSize } from '../../lambda/size.ts';
import { interruptible } from '../interrupt.ts';
import { destinationCommand, parseDestination } from '../options/options.ts';
import { typedSettings } from '../options/setting-options.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatColumns, formatCount, formatNoun, printResult } from '../output/output.ts';
import { type Progress, formatTimeLeft, showProgress } from '../output/progress.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup verify \\
      s3://application-logs/aggregated/checkout/20261121/08/ --deep
  $ s3-rollup verify --hour 2026-11-21T08 \\
      's3://application-logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/' --json

It ends with 1 where what is stored is not what was committed, or where raw
holds what is not in the rollup.`;

/** Downloads in flight for one output under comparison: the output itself, and one source after another. */
const STREAMS = 2;
const DEFAULT_CONCURRENCY = 16;
const SHOWN_PROBLEMS = 20;

type Done = Parameters<Parameters<typeof verifyOnce>[1]['progress']>[0];

export const verify = destinationCommand('verify', 'compare a rollup with what is stored')
  .argument('[destination]', 'prefix of a rollup: s3://bucket/prefix/')
  .option('--deep', 'read and compare every byte of both sides, not only what the listings say')
  .option('--concurrency <number>', `downloads in flight (default: ${DEFAULT_CONCURRENCY})`)
  .addHelpText('after', EXAMPLES)
  .action(async (typed, options) => {
    const { destination, settings, connection } = await parseDestination(typed, options, {
      typed: typedSettings(options),
      byDefault: { concurrency: DEFAULT_CONCURRENCY },
    });
    const { store, raw } = connection;
    const concurrency = Math.max(1, Math.floor(settings.concurrency / STREAMS));
    const deep = options.deep === true;
    const began = performance.now();
    let done: Done | undefined;
    const read = (): Progress => describe(done, deep, performance.now() - began);
    const display = showProgress(read, { enabled: options.progress });
    try {
      const progress = (now: Done): void => {
        done = now;
        display.update();
      };
      const report = await interruptible(
        (signal) => verifyOnce(destination, { store, raw, deep, concurrency, progress, signal }),
        'Nothing is known of what was not compared.',
      );
      display.finish();
      printResult(report, formatReport, options);
      if (report.status !== 'ok') process.exitCode = EXIT.failed;
    } finally {
      display.stop();
      connection.close();
    }
  });

function describe(done: Done | undefined, deep: boolean, ms: number): Progress {
  if (done === undefined) return { phase: 'listing', brief: '', full: 'the rollup and its source' };
  const { outputs, bytes, totalOutputs, totalBytes } = done;
  const left = deep ? formatTimeLeft({ done: bytes, total: totalBytes, seconds: ms / 1000 }) : undefined;
  const speed = `, ${Math.round((bytes / MiB / ms) * 1000)} MiB/s`;
  const rate = deep ? speed + (left === undefined ? '' : `, ${left}`) : '';
  const read = deep ? `, ${formatSize(bytes)} of ${formatSize(totalBytes)}${rate}` : '';
  return {
    phase: 'verifying',
    done: totalBytes === 0 ? 1 : bytes / totalBytes,
    brief: `${formatCount(outputs)}/${formatNoun(totalOutputs, 'output')}${rate}`,
    full: `${formatCount(outputs)} of ${formatNoun(totalOutputs, 'output')}${read}`,
  };
}

export function formatReport(report: VerifyReport): string[] {
  const { status, deep, problems, objects, bytes, outputs, outputBytes, expired, unnamed } = report;
  const gone = expired === 0 ? '' : ` (${formatCount(expired)} expired in raw)`;
  const left = unnamed === 0 ? '' : ` (${formatCount(unnamed)} more in the destination that no commit names)`;
  const rows = [
    ['source', report.source],
    ['destination', report.destination],
    ['objects', `${formatCount(objects)}, ${formatSize(bytes)}${gone}`],
    ['outputs', `${formatCount(outputs)}, ${formatSize(outputBytes)}${left}`],
    ['compared', deep ? 'every byte of both sides' : 'the manifest with both listings'],
  ];
  const shown = problems.slice(0, SHOWN_PROBLEMS).map(({ code, message }) => `  ${code}: ${message}`);
  const more = problems.length - shown.length;
  if (more > 0) shown.push(`  … ${formatCount(more)} more`);
  const list = problems.length === 0 ? [] : ['', formatNoun(problems.length, 'problem'), ...shown];
  return [status, ...formatColumns(rows, 'll'), ...list];
}
