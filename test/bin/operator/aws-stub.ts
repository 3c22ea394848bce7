import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { STACK_OUTPUTS } from '../../../lambda/names.ts';
import type { QueueServer } from '../../support/queue-server.ts';

/**
 * An HTTP stub of AWS calls that no local service implements: CloudFormation's DescribeStacks, Lambda's Invoke, and the
 * message move tasks of SQS. It forwards every other call of SQS to the queue server, and refuses unknown calls.
 */
export interface AwsStub extends AsyncDisposable {
  endpoint: string;
  /** `DescribeStacks`, `Invoke`, `AmazonSQS.SendMessage`, …, in the order of arrival. */
  calls: string[];
  /** Outputs, by name of the stack. */
  stacks: Record<string, Record<string, string>>;
  /** Functions by name. Each takes the payload of an invocation, and throws to make it fail. */
  functions: Record<string, (payload: unknown) => unknown>;
  /** The last task, as ListMessageMoveTasks gives it; each listing moves one message more. */
  task: Record<string, unknown> | undefined;
  /** Called before each answer. If it throws, its error is the answer. */
  onCall: (name: string) => void;
  /** Runs before each message that is moved. */
  beforeMove: (task: Record<string, unknown>) => void;
}

export const ACCOUNT = '000000000000';

export async function startStub(queues: QueueServer): Promise<AwsStub> {
  const server = createServer((request, response) => {
    answer(stub, queues, request)
      .then(({ status, type, headers, body }) =>
        response.writeHead(status, { 'content-type': type, ...headers }).end(body),
      )
      .catch((error: unknown) => {
        refuse(response, error);
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stub: AwsStub = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: [],
    stacks: {},
    functions: {},
    task: undefined,
    onCall: () => undefined,
    beforeMove: () => undefined,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return stub;
}

/** Outputs with the names that this product's stack gives them. */
export function stackOutputs(queueUrl: string, deadLetterUrl: string): Record<string, string> {
  return {
    [STACK_OUTPUTS.queueUrl]: queueUrl,
    [STACK_OUTPUTS.deadLetterQueueUrl]: deadLetterUrl,
    [STACK_OUTPUTS.deadLetterQueueArn]: `arn:aws:sqs:us-east-1:${ACCOUNT}:dead-letters`,
    [STACK_OUTPUTS.functionName]: 'LogRollup-Function-1A2B3C',
    [STACK_OUTPUTS.rawRoot]: 's3://application-logs/raw/',
    [STACK_OUTPUTS.aggregatedRoot]: 's3://application-logs/aggregated/',
    [STACK_OUTPUTS.streams]: JSON.stringify([
      { name: 'checkout', source: 's3://application-logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/', minute: 10 },
    ]),
    [STACK_OUTPUTS.allowAnyPrefix]: 'false',
    [STACK_OUTPUTS.dashboardUrl]: 'https://example.com/',
  };
}

interface Answer {
  status: number;
  type: string;
  headers?: Record<string, string>;
  body: string | Buffer;
}

async function answer(stub: AwsStub, queues: QueueServer, request: IncomingMessage): Promise<Answer> {
  const body = await buffer(request);
  const target = request.headers['x-amz-target'];
  if (typeof target === 'string' && target.startsWith('AmazonSQS.')) {
    stub.calls.push(target);
    stub.onCall(target);
    if (target === 'AmazonSQS.StartMessageMoveTask') return startMove(stub, queues);
    if (target === 'AmazonSQS.ListMessageMoveTasks') return listMoves(stub, queues);
    return handOn(queues, request, body);
  }
  const [, name = ''] = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(request.url ?? '') ?? [];
  if (name !== '') {
    stub.calls.push('Invoke');
    return invoke(stub, decodeURIComponent(name), JSON.parse(body.toString()));
  }
  const form = new URLSearchParams(body.toString());
  if (form.get('Action') !== 'DescribeStacks')
    throw new Error(`not told of ${request.url ?? ''} ${body.toString()}`);
  stub.calls.push('DescribeStacks');
  return describeStacks(stub, form.get('StackName') ?? '');
}

const xml = (status: number, body: string): Answer => ({ status, type: 'text/xml', body });
const json = (status: number, body: unknown): Answer => ({
  status,
  type: 'application/x-amz-json-1.0',
  body: JSON.stringify(body),
});

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html */
function describeStacks({ stacks }: AwsStub, name: string): Answer {
  const outputs = stacks[name];
  if (outputs === undefined) {
    const message = `Stack with id ${name} does not exist`;
    return xml(
      400,
      `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>${message}</Message></Error></ErrorResponse>`,
    );
  }
  const members = Object.entries(outputs).map(
    ([key, value]) =>
      `<member><OutputKey>${key}</OutputKey><OutputValue>${escapeXml(value)}</OutputValue></member>`,
  );
  const stack = `<member><StackName>${name}</StackName><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>${members.join('')}</Outputs></member>`;
  return xml(
    200,
    `<DescribeStacksResponse><DescribeStacksResult><Stacks>${stack}</Stacks></DescribeStacksResult></DescribeStacksResponse>`,
  );
}

/** https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html */
function invoke({ functions }: AwsStub, name: string, payload: unknown): Answer {
  const run = functions[name];
  if (run === undefined) {
    const body = JSON.stringify({ Type: 'User', Message: `Function not found: ${name}` });
    const headers = { 'x-amzn-errortype': 'ResourceNotFoundException' };
    return { status: 404, type: 'application/json', headers, body };
  }
  try {
    return { status: 200, type: 'application/json', body: JSON.stringify(run(payload)) };
  } catch (thrown) {
    const { name: errorType, message: errorMessage } = thrown as Error;
    const body = JSON.stringify({ errorType, errorMessage, trace: [] });
    const headers = { 'x-amz-function-error': 'Unhandled' };
    return { status: 200, type: 'application/json', headers, body };
  }
}

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html */
async function startMove(stub: AwsStub, queues: QueueServer): Promise<Answer> {
  if (isRunning(stub.task)) {
    const message =
      'There is already a task running. Only one active task is allowed for a source queue arn.';
    return json(400, { __type: 'com.amazonaws.sqs#InvalidParameterValue', message });
  }
  const toMove = await queues.depth(queues.deadLetterUrl);
  stub.task = {
    Status: 'RUNNING',
    TaskHandle: 'handle',
    ApproximateNumberOfMessagesMoved: 0,
    ApproximateNumberOfMessagesToMove: toMove,
  };
  return json(200, { TaskHandle: 'handle' });
}

function isRunning(task: AwsStub['task']): boolean {
  return task?.['Status'] === 'RUNNING';
}

async function listMoves(stub: AwsStub, queues: QueueServer): Promise<Answer> {
  const { task } = stub;
  if (task === undefined) return json(200, { Results: [] });
  const listed = { ...task };
  if (isRunning(task)) {
    stub.beforeMove(task);
    const message = isRunning(task) ? await queues.receive(queues.deadLetterUrl) : undefined;
    if (message !== undefined) {
      await queues.send(message.Body ?? '');
      await queues.delete(queues.deadLetterUrl, message);
      task['ApproximateNumberOfMessagesMoved'] = Number(task['ApproximateNumberOfMessagesMoved']) + 1;
    }
    if (task['ApproximateNumberOfMessagesMoved'] === task['ApproximateNumberOfMessagesToMove']) {
      task['Status'] = 'COMPLETED';
    }
  }
  return json(200, { Results: [listed] });
}

/** Has the queue server answer a call of SQS. */
export async function handOn(queues: QueueServer, request: IncomingMessage, body: Buffer): Promise<Answer> {
  const names = ['content-type', 'x-amz-target', 'authorization', 'x-amz-date'];
  const headers = Object.fromEntries(names.map((name) => [name, String(request.headers[name])]));
  const response = await fetch(queues.endpoint, { method: 'POST', headers, body: new Uint8Array(body) });
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    body: Buffer.from(await response.arrayBuffer()),
  };
}

function refuse(response: ServerResponse, error: unknown): void {
  response.writeHead(501, { 'content-type': 'text/plain' }).end(String(error));
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
