import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { type Ended, environment, parseObject, runInProcess } from '../command-line.ts';
import { type QueueServer, startQueues } from '../../support/queue-server.ts';
import { type AwsStub, stackOutputs, startStub } from './aws-stub.ts';

export const BUCKET = 'application-logs';
export const TEMPLATE = 's3://application-logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/';
export const AGGREGATED = 's3://application-logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/';
export const STACK = 'LogRollup';

/** All services that the operator's commands call. */
export interface Account extends AsyncDisposable {
  sandbox: Sandbox;
  queues: QueueServer;
  stub: AwsStub;
  /** URL of the queue at the stub, which forwards calls to the queue server. */
  queueUrl: string;
  deadLetterUrl: string;
  cli: (args: string[]) => Promise<Ended>;
  /** Runs with `--json`: the object on stdout, and the exit code. */
  json: (args: string[]) => Promise<{ code: number | null; printed: Record<string, unknown> }>;
  /** Runs a command that should fail with `--json`, and returns its error. */
  failure: (args: string[]) => Promise<{ code: number | null; error: Record<string, unknown> }>;
}

export async function openAccount(): Promise<Account> {
  const sandbox = await startSandbox({ buckets: [BUCKET] });
  // Longer than any of these tests, so that no message is received twice, however slow the machine is.
  const queues = await startQueues({ visibilitySeconds: 3_600 });
  const stub = await startStub(queues);
  const at = (url: string): string => url.replace(queues.endpoint, stub.endpoint);
  const [queueUrl, deadLetterUrl] = [at(queues.queueUrl), at(queues.deadLetterUrl)];
  stub.stacks[STACK] = stackOutputs(queueUrl, deadLetterUrl);
  const env = environment(sandbox.endpoint, {
    AWS_ENDPOINT_URL_SQS: stub.endpoint,
    AWS_ENDPOINT_URL_LAMBDA: stub.endpoint,
    AWS_ENDPOINT_URL_CLOUDFORMATION: stub.endpoint,
  });
  const cli = (args: string[]): Promise<Ended> => runInProcess(args, env);
  return {
    sandbox,
    queues,
    stub,
    queueUrl,
    deadLetterUrl,
    cli,
    json: async (args) => {
      const { code, stdout, stderr } = await cli([...args, '--json', '--no-progress']);
      if (stderr !== '') throw new Error(`stderr: ${stderr}`);
      return { code, printed: parseObject(stdout) };
    },
    failure: async (args) => {
      const { code, stdout, stderr } = await cli([...args, '--json', '--no-progress']);
      if (stdout !== '') throw new Error(`stdout: ${stdout}`);
      return { code, error: parseObject(stderr)['error'] as Record<string, unknown> };
    },
    [Symbol.asyncDispose]: async () => {
      await stub[Symbol.asyncDispose]();
      await queues[Symbol.asyncDispose]();
      await sandbox.close();
    },
  };
}

/** Takes every message out of the queue. */
export async function takeAll({ queues }: Account): Promise<unknown[]> {
  const bodies: unknown[] = [];
  while ((await queues.depth(queues.queueUrl)) > 0) {
    const message = await queues.receive(queues.queueUrl);
    if (message === undefined) continue;
    bodies.push(JSON.parse(message.Body ?? ''));
    await queues.delete(queues.queueUrl, message);
  }
  return bodies;
}
