import { interruptible } from '../interrupt.ts';
import { type BackfillResult, backfillHours } from '../operator/backfill.ts';
import { findDeployment } from '../operator/deployment.ts';
import { parseRange, refuseShared } from '../operator/hours.ts';
import { operatorCommand, parseWhole, requireOneOf, withServices } from '../operator/options.ts';
import { buildRequest, refuseBadRequest } from '../operator/request.ts';
import { formatColumns, formatCount, formatNoun, printResult } from '../output/output.ts';
import { showProgress } from '../output/progress.ts';
import { parseAll } from '../refusals.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup backfill --stack LogRollup \\
      --stream checkout --from 2026-11-20T00 --to 2026-11-21T08
  $ s3-rollup backfill --stack LogRollup --dry-run --json \\
      --source 's3://application-logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      --from 2026-11-20T00 --to 2026-11-21T08

It waits while the queue holds --max-in-queue messages, those in work among
them, so that the hours of the schedule do not queue behind all of it. It
ends once the last message is queued: status tells when its hour is done.`;

const DEFAULT_MAX_IN_QUEUE = 24;

export const backfill = operatorCommand('backfill', 'have a range of hours rolled up')
  .option('--source <template>', 'raw prefix with {yyyy} {MM} {dd} {HH}: s3://bucket/prefix/')
  .requiredOption('--from <hour>', 'the first hour: 2026-11-20T00, in UTC')
  .requiredOption('--to <hour>', 'the last hour, included')
  .option('--destination <template>', 'where to (default: the source, its raw root replaced)')
  .option('--stream <name>', "the stack's stream, in place of --source (default: that of the source)")
  .option('--force', 'also hours that have not ended')
  .option('--repack', 'plan every source afresh, into new outputs')
  .option('--max-in-queue <number>', `messages in the queue at once (default: ${DEFAULT_MAX_IN_QUEUE})`)
  .option('--dry-run', 'show the requests; queue nothing')
  .optionsGroup('Deployment:')
  .option('--queue-url <url>', 'queue of requests')
  .addHelpText('after', EXAMPLES)
  .action(async (options) => {
    const { stack, queueUrl, source, destination } = options;
    const now = new Date();
    const { hours, maxInQueue } = parseAll({
      hours: () => parseRange(options.from, options.to),
      maxInQueue: () => parseWhole('--max-in-queue', options.maxInQueue ?? String(DEFAULT_MAX_IN_QUEUE), 1),
      deployment: () => {
        // What would be sent can be told without either from the source.
        if (options.dryRun === true && source !== undefined) return;
        requireOneOf({ '--stack': stack, '--queue-url': queueUrl });
      },
    });
    if (source !== undefined) refuseShared('--source', source, hours);
    if (destination !== undefined) refuseShared('--destination', destination, hours);
    for (const hour of hours) refuseBadRequest(options, hour, now);
    const result = await withServices(options, async (services) => {
      const deployment = await findDeployment(services, stack);
      const built = hours.map((hour) => ({ hour, ...buildRequest(options, hour, deployment, now) }));
      const requests = built.map(({ message }) => message);
      const url = queueUrl ?? deployment?.queueUrl ?? '';
      if (options.dryRun === true) {
        const prefixes = built.map(({ hour, source, destination }) => ({
          hour,
          source,
          ...(destination === undefined ? {} : { destination }),
        }));
        return {
          status: 'dry-run' as const,
          ...(url === '' ? {} : { queueUrl: url }),
          hours: hours.length,
          sent: 0,
          requests,
          prefixes,
        };
      }
      let latest = { sent: 0, inQueue: 0, waiting: false };
      const read = () => ({
        phase: latest.waiting ? 'waiting' : 'queueing',
        done: latest.sent / hours.length,
        brief: `${latest.sent}/${formatNoun(hours.length, 'hour')}`,
        full: `${formatCount(latest.sent)} of ${formatNoun(hours.length, 'hour')}, ${formatCount(latest.inQueue)} in the queue`,
      });
      const display = showProgress(read, { enabled: options.progress });
      try {
        const work = (signal: AbortSignal) =>
          backfillHours(services, requests, {
            queueUrl: url,
            maxInQueue,
            signal,
            progress: (now) => {
              latest = now;
              display.update();
            },
          });
        const done = await interruptible(work, () => whereToGoOn(latest.sent, hours));
        display.finish();
        return done;
      } finally {
        display.stop();
      }
    });
    printResult(result, formatBackfill, options);
  });

function whereToGoOn(sent: number, hours: string[]): string {
  const next = hours[sent];
  if (next === undefined) return `All ${formatNoun(hours.length, 'hour')} are queued.`;
  const queued = `${formatCount(sent)} of ${formatNoun(hours.length, 'hour')} are queued, and are rolled up as the queue comes to them.`;
  return `${sent === 0 ? 'Nothing is queued.' : queued} Go on with --from ${next}.`;
}

function formatBackfill(result: BackfillResult): string[] {
  const { status, queueUrl, hours, sent, prefixes } = result;
  const rows = [
    ...(queueUrl === undefined ? [] : [['queue', queueUrl]]),
    ['hours', `${formatCount(sent)} of ${formatCount(hours)} queued`],
  ];
  const listed = prefixes?.flatMap(({ hour, source, destination }) => [
    [hour, source],
    ...(destination === undefined ? [] : [['', `to ${destination}`]]),
  ]);
  const shown = listed === undefined ? [] : ['', 'requests', ...formatColumns(listed, 'll')];
  return [status, ...formatColumns(rows, 'll'), ...shown];
}
