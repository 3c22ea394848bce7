import { interruptible } from '../interrupt.ts';
import { findDeployment } from '../operator/deployment.ts';
import { operatorCommand, requireOneOf, withServices } from '../operator/options.ts';
import { type DeadLetter, describeDeadLetter, moveAll, refuseRunning } from '../operator/redrive.ts';
import type { Move } from '../operator/services.ts';
import { formatColumns, formatCount, formatLines, formatNoun, printResult } from '../output/output.ts';
import { showProgress } from '../output/progress.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup redrive --stack LogRollup --dry-run
  $ s3-rollup redrive --json \\
      --dlq-url https://sqs.eu-central-1.amazonaws.com/111122223333/dead-letters

It shows what is in the dead-letter queue, moves all of it back to the queue
that it came from, and follows that to its end. A message whose cause is not
mended comes back after five more attempts.`;

/** The result that `redrive` prints. */
interface Redrive {
  status: 'moved' | 'empty' | 'dry-run';
  deadLetterUrl: string;
  /** Approximate number of messages in the queue. */
  messages: number;
  /** Some of the messages, at most ten. */
  sample: DeadLetter[];
  moved: number;
}

const BODY_WIDTH = 100;

export const redrive = operatorCommand('redrive', 'move dead letters back to the queue')
  .option('--dry-run', 'show what is in the dead-letter queue; move nothing')
  .optionsGroup('Deployment:')
  .option('--dlq-url <url>', 'dead-letter queue')
  .addHelpText('after', EXAMPLES)
  .action(async (options) => {
    const { stack, dlqUrl } = options;
    requireOneOf({ '--stack': stack, '--dlq-url': dlqUrl });
    await withServices(options, async (services) => {
      const deployment = dlqUrl === undefined ? await findDeployment(services, stack) : undefined;
      const deadLetterUrl = dlqUrl ?? deployment?.deadLetterUrl ?? '';
      const { arn, waiting, inWork } = await services.queue(deadLetterUrl);
      if (options.dryRun !== true) refuseRunning(await services.lastMove(arn));
      const sample = (await services.peek(deadLetterUrl)).map(describeDeadLetter);
      const messages = Math.max(waiting + inWork, sample.length);
      const found = { deadLetterUrl, messages, sample, moved: 0 };
      if (messages === 0 || options.dryRun === true) {
        printResult({ ...found, status: messages === 0 ? 'empty' : 'dry-run' }, formatAll, options);
        return;
      }
      // Shown before anything is moved.
      if (options.json !== true) process.stdout.write(formatLines([...formatFound(found), '']));
      let latest: Move | undefined;
      const read = () => {
        const { moved = 0, toMove = messages } = latest ?? {};
        const text = `${formatCount(moved)} of ${formatNoun(toMove, 'message')}`;
        return { phase: 'moving', done: toMove === 0 ? 1 : moved / toMove, brief: text, full: text };
      };
      const display = showProgress(read, { enabled: options.progress });
      try {
        const progress = (move: Move): void => {
          latest = move;
          display.update();
        };
        const to = deployment && (await services.queue(deployment.queueUrl)).arn;
        const { moved } = await interruptible(
          (signal) => moveAll(services, arn, to, progress, signal),
          'What was moving goes on moving, without being followed.',
        );
        display.finish();
        printResult({ ...found, status: 'moved', moved }, formatEnd, options);
      } finally {
        display.stop();
      }
    });
  });

function formatAll(result: Redrive): string[] {
  return result.messages === 0 ? formatEnd(result) : [result.status, ...formatFound(result)];
}

function formatEnd({ status, deadLetterUrl, moved }: Redrive): string[] {
  const rows = [
    ['queue', deadLetterUrl],
    ['messages', `${formatCount(moved)} moved`],
  ];
  return [status, ...formatColumns(rows, 'll')];
}

function formatFound({ messages, sample }: Pick<Redrive, 'messages' | 'sample'>): string[] {
  const rows = sample.flatMap(({ sentAt, receives, body, reason, execution, request }) => [
    [
      sentAt.slice(0, 19) + 'Z',
      execution === undefined ? formatNoun(receives, 'receive') : 'execution',
      shorten(request === undefined ? body : JSON.stringify(request)),
    ],
    ...(execution === undefined ? [] : [['', '', `name: ${execution}`]]),
    ...(reason === undefined ? [] : [['', '', `reason: ${shorten(reason)}`]]),
  ]);
  const some = sample.length < messages ? `, ${formatCount(sample.length)} of them:` : '';
  const table = rows.length === 0 ? [] : formatColumns(rows, 'lll');
  return [`${formatNoun(messages, 'message')} in the dead-letter queue${some}`, ...table];
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length <= BODY_WIDTH ? line : `${line.slice(0, BODY_WIDTH - 1)}…`;
}
