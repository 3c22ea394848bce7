import { parseHour } from '../../lambda/rollup/index.ts';
import type { RequestMessage } from '../../lambda/invocation/message.ts';
import { findDeployment } from '../operator/deployment.ts';
import { operatorCommand, requireOneOf, withServices } from '../operator/options.ts';
import { buildRequest, refuseBadRequest } from '../operator/request.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatColumns, printResult } from '../output/output.ts';
import { showProgress } from '../output/progress.ts';
import { named } from '../refusals.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup rerun --stack LogRollup --hour 2026-11-21T08 \\
      --stream checkout
  $ s3-rollup rerun --stack LogRollup --invoke \\
      --source s3://application-logs/raw/checkout/20261121/08/

An hour that is rolled up already stays as it is, but for what came late.
With --invoke it ends with 1 where the function failed, or did not come to
the end of the hour.`;

/** The result that `rerun` prints. `result` is the function's answer, with `--invoke`. */
interface Rerun {
  status: string;
  request: RequestMessage;
  queueUrl?: string;
  messageId?: string;
  function?: string;
  result?: unknown;
}

export const rerun = operatorCommand('rerun', 'have an hour rolled up again')
  .option('--source <prefix>', 'raw prefix: s3://bucket/prefix/, with or without placeholders')
  .option('--hour <hour>', 'fills {yyyy} {MM} {dd} {HH}: 2026-11-21T08, in UTC')
  .option('--destination <prefix>', 'where to (default: the source, its raw root replaced)')
  .option('--stream <name>', "the stack's stream, in place of --source (default: that of the source)")
  .option('--force', 'also an hour that has not ended')
  .option('--repack', 'plan every source afresh, into new outputs')
  .option('--invoke', 'invoke the function and wait for its answer, instead of queueing a message')
  .optionsGroup('Deployment:')
  .option('--queue-url <url>', 'queue of requests')
  .option('--function <name>', 'function, for --invoke')
  .addHelpText('after', EXAMPLES)
  .action(async (options) => {
    const { stack, invoke, queueUrl } = options;
    if (invoke === true) requireOneOf({ '--stack': stack, '--function': options.function });
    else requireOneOf({ '--stack': stack, '--queue-url': queueUrl });
    const typed = options.hour;
    const hour = typed === undefined ? undefined : named('--hour', () => parseHour(typed));
    refuseBadRequest(options, hour, new Date());
    const done = await withServices(options, async (services): Promise<Rerun> => {
      const deployment = await findDeployment(services, stack);
      const { message: request } = buildRequest(options, hour, deployment, new Date());
      if (invoke !== true) {
        const url = queueUrl ?? deployment?.queueUrl ?? '';
        return { status: 'queued', request, queueUrl: url, messageId: await services.send(url, request) };
      }
      const name = options.function ?? deployment?.functionName ?? '';
      const began = performance.now();
      const waited = (): string => `${name}, ${Math.round((performance.now() - began) / 1000)} s`;
      const read = () => ({ phase: 'rolling up', brief: waited(), full: waited() });
      const display = showProgress(read, { enabled: options.progress });
      try {
        display.update();
        const result = await services.invoke(name, request);
        display.finish();
        return { status: statusOf(result), request, function: name, result };
      } finally {
        display.stop();
      }
    });
    printResult(done, formatRerun, options);
    if (done.status === 'incomplete') process.exitCode = EXIT.failed;
  });

function statusOf(result: unknown): string {
  const status: unknown =
    typeof result === 'object' && result !== null ? Reflect.get(result, 'status') : null;
  return typeof status === 'string' ? status : 'unknown';
}

function formatRerun({ status, request, queueUrl, messageId, function: name, result }: Rerun): string[] {
  const rows = [
    ['source', request.source ?? ''],
    ...(request.hour === undefined ? [] : [['hour', request.hour]]),
    ...(queueUrl === undefined ? [] : [['queue', queueUrl]]),
    ...(messageId === undefined ? [] : [['message', messageId]]),
    ...(name === undefined ? [] : [['function', name]]),
    ...Object.entries(result ?? {})
      .filter(([key]) => !['status', 'source'].includes(key))
      .map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  ];
  const note =
    status === 'incomplete' ? ['the function goes on by itself with what there was no time for'] : [];
  return [status, ...formatColumns(rows, 'll'), ...note];
}
