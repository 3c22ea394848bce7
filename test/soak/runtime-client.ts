import '../support/credentials.ts';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { json } from 'node:stream/consumers';
import { Command } from '@commander-js/extra-typings';
import { z } from 'zod';
import { cdkSynth } from '../invocation/support/bundle-setup.ts';
import { environmentOf, hourText, openBucket, putHour, rolledUp } from '../invocation/support/raw-logs.ts';

/**
 * Runs the bundled handler by AWS's own runtime interface client, which takes events from a server that speaks the Lambda
 * runtime API: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. Docs/develop.md says how the client is built.
 */
const { client } = new Command('runtime-client')
  .description("Runs the bundled handler by AWS's runtime interface client, over an hour in a local S3.")
  .requiredOption('--client <folder>', 'where aws-lambda-ric was installed: the folder of its node_modules')
  .parse()
  .opts();

const API = '/2018-06-01/runtime';
const HOUR = 8;
/** Milliseconds that an invocation has. */
const INVOCATION_MS = 60_000;

interface Answer {
  path: 'response' | 'error' | 'init/error';
  body: unknown;
}

/** A server of the runtime API: hands out one event after another, and waits with the next request once there is none. */
class RuntimeApi {
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #events: { event: unknown; answered: (answer: Answer) => void }[] = [];
  readonly #open = new Map<string, (answer: Answer) => void>();
  #waiting: ServerResponse | undefined;
  /** Called where the function could not be started. */
  failed: (answer: Answer) => void = () => undefined;

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  invoke(event: unknown): Promise<Answer> {
    const { promise, resolve: answered } = Promise.withResolvers<Answer>();
    this.#events.push({ event, answered });
    this.#handOut();
    return promise;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '' } = request;
    if (method === 'GET' && url === `${API}/invocation/next`) {
      this.#waiting = response;
      this.#handOut();
      return;
    }
    const body: unknown = await json(request);
    const [, id = '', path] = /\/invocation\/([^/]+)\/(response|error)$/.exec(url) ?? [];
    if (url === `${API}/init/error`) this.failed({ path: 'init/error', body });
    else this.#open.get(id)?.({ path: path === 'error' ? 'error' : 'response', body });
    this.#open.delete(id);
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}');
  }

  #handOut(): void {
    const response = this.#waiting;
    const next = response && this.#events.shift();
    if (next === undefined) return;
    this.#waiting = undefined;
    const id = randomUUID();
    this.#open.set(id, next.answered);
    response
      ?.writeHead(200, {
        'content-type': 'application/json',
        'lambda-runtime-aws-request-id': id,
        'lambda-runtime-deadline-ms': String(Date.now() + INVOCATION_MS),
        'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:us-east-1:000000000000:function:rollup',
        'lambda-runtime-trace-id': 'Root=1-69200000-000000000000000000000000;Sampled=0',
      })
      .end(JSON.stringify(next.event));
  }
}

/** An SQS event with one message. */
function sqsEvent(body: unknown): unknown {
  const attributes = { ApproximateReceiveCount: '1', SentTimestamp: '1763716200000' };
  const record = { messageId: randomUUID(), receiptHandle: 'handle', body: JSON.stringify(body), attributes };
  const eventSourceARN = 'arn:aws:sqs:us-east-1:000000000000:requests';
  return { Records: [{ ...record, eventSource: 'aws:sqs', eventSourceARN, awsRegion: 'us-east-1' }] };
}

function expect(isAsExpected: boolean, what: string, found: unknown): void {
  console.log(`${isAsExpected ? 'ok  ' : 'FAIL'}  ${what}`);
  if (isAsExpected) return;
  console.log(JSON.stringify(found, null, 2));
  process.exitCode = 1;
}

const folder = mkdtempSync(join(tmpdir(), 'runtime-client-'));
const synthesis = cdkSynth('--output', join(folder, 'assembly'));
const asset = readdirSync(join(folder, 'assembly')).find((name) => name.startsWith('asset.'));
if (synthesis.status !== 0 || asset === undefined) throw new Error(synthesis.stderr);
const task = join(folder, 'task');
cpSync(join(folder, 'assembly', asset), task, { recursive: true });

const sandbox = await openBucket();
const api = new RuntimeApi();
const address = await api.listen();
const child = spawn(
  process.execPath,
  [resolve(client, 'node_modules/aws-lambda-ric/index.mjs'), 'index.handler'],
  {
    cwd: task,
    stdio: 'inherit',
    // Only what Lambda sets: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    env: {
      PATH: process.env['PATH'],
      AWS_LAMBDA_RUNTIME_API: address,
      _HANDLER: 'index.handler',
      LAMBDA_TASK_ROOT: task,
      AWS_LAMBDA_FUNCTION_NAME: 'rollup',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1024',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/rollup',
      AWS_LAMBDA_LOG_STREAM_NAME: 'local',
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      POWERTOOLS_SERVICE_NAME: 'LogRollup',
      ...environmentOf(sandbox),
    },
  },
);
const ended = Promise.race([
  once(child, 'exit').then(([code]) => ({
    path: 'init/error',
    body: `the client ended with ${String(code)}`,
  })),
  new Promise<Answer>((failed) => {
    api.failed = failed;
  }),
]);
const invoke = (event: unknown) => Promise.race([api.invoke(event), ended]);
const result = z.object({ status: z.string() });

try {
  const logs = putHour(sandbox, HOUR, { objects: 50, bytes: 200_000 });
  const request = sqsEvent({ stream: 'checkout', hour: hourText(HOUR) });
  const first = await invoke(request);
  expect(
    first.path === 'response' && result.safeParse(first.body).data?.status === 'committed',
    'an SQS event of an hour is answered: committed',
    first,
  );
  expect(rolledUp(sandbox, HOUR) === logs, 'the outputs are the bytes of the sources, in key order', '');
  const again = await invoke(request);
  expect(
    again.path === 'response' && result.safeParse(again.body).data?.status === 'unchanged',
    'the same event again, to the same process: unchanged',
    again,
  );
  const outside = await invoke(sqsEvent({ source: 's3://application-logs/raw/other/20251121/08/' }));
  const failure = z.object({ errorType: z.string() }).safeParse(outside.body).data;
  expect(
    outside.path === 'error' && failure?.errorType === 'OutsideStream',
    'an event for no stream is an error of the invocation: OutsideStream',
    outside,
  );
} finally {
  child.kill();
  api.close();
  await sandbox.close();
  rmSync(folder, { recursive: true });
}
