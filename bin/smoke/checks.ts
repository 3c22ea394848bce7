import { RollupError } from '../../lambda/errors.ts';
import { OperatorError } from '../operator/operator-error.ts';

export type CheckName =
  | 'stack'
  | 'alarms'
  | 'place'
  | 'write'
  | 'request'
  | 'rollup'
  | 'verify'
  | 'extract'
  | 'again'
  | 'execution'
  | 'remove';

/** One line of the result. */
export interface Check {
  check: CheckName;
  status: 'ok' | 'failed' | 'left-out';
  seconds: number;
  /** What was seen, or why it failed. */
  detail: string;
  /** Of a failure: the error's code, and what to do. */
  code?: string;
  advice?: string;
}

/** What to do where a check fails, besides what its error says. */
const ADVICE: Record<CheckName, string> = {
  stack: 'Check the name of the stack, the region and the credentials: cloudformation:DescribeStacks.',
  alarms:
    'Give the alarms a topic with a confirmed subscriber; --no-alarms leaves this check out. It takes cloudformation:ListStackResources, cloudwatch:DescribeAlarms and sns:ListSubscriptionsByTopic.',
  place: 'Choose another --stream or --hour. It takes s3:ListBucket and s3:GetObject on both sides.',
  write:
    'Check the policy of whoever runs this, that of the bucket and that of its key: s3:PutObject under the raw prefix.',
  request: "Check sqs:SendMessage on the queue, and kms:GenerateDataKey on the queue's key.",
  rollup:
    "Look at the function's log and at the alarms; docs/runbook.md says what to do. Where the queue is long, give a longer --timeout.",
  verify:
    'Do not trust this deployment with logs before this is understood: keep the output of this command, and the versions of settings and code.',
  extract: 'As for verify.',
  again: 'Check lambda:InvokeFunction; otherwise look at the log of the function.',
  execution:
    "Look at the execution in the console of Step Functions, and at the log of the steps' function. It takes states:StartExecution, states:DescribeExecution and states:StopExecution.",
  remove: 'Delete by hand what is left: s3:DeleteObject on both sides.',
};

/** Runs checks one after another and keeps what each of them said. */
export class Checks {
  readonly done: Check[] = [];
  readonly #signal: AbortSignal;
  readonly #onBegin: (check: CheckName) => void;

  constructor(signal: AbortSignal, onBegin: (check: CheckName) => void) {
    this.#signal = signal;
    this.#onBegin = onBegin;
  }

  get hasFailed(): boolean {
    return this.done.some(({ status }) => status === 'failed');
  }

  /**
   * @param work returns its value, and what was seen
   * @returns the value; undefined where it failed. Throws only if the signal has ended the work.
   */
  async run<T>(
    check: CheckName,
    work: () => Promise<{ value: T; detail: string }>,
    { evenIfStopped = false } = {},
  ): Promise<T | undefined> {
    if (!evenIfStopped) this.#signal.throwIfAborted();
    this.#onBegin(check);
    const began = performance.now();
    const seconds = (): number => Math.round((performance.now() - began) / 100) / 10;
    try {
      const { value, detail } = await work();
      this.done.push({ check, status: 'ok', seconds: seconds(), detail });
      return value;
    } catch (error) {
      if (this.#signal.aborted && !evenIfStopped) throw error;
      const { message } = error instanceof Error ? error : new Error(String(error));
      const code = error instanceof RollupError || error instanceof OperatorError ? error.code : 'Unexpected';
      this.done.push({
        check,
        status: 'failed',
        seconds: seconds(),
        detail: message,
        code,
        advice: ADVICE[check],
      });
      return undefined;
    }
  }

  leaveOut(check: CheckName, why: string): void {
    this.done.push({ check, status: 'left-out', seconds: 0, detail: why });
  }
}
