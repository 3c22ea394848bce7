import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Context } from 'aws-lambda';
import pLimit from 'p-limit';
import { createStepInvocation } from '../../../lambda/invocation/step-invocation.ts';
import { ENV, FAN_OUT_OUTPUTS, STACK_OUTPUTS } from '../../../lambda/names.ts';
import { fanOutDefinition } from '../../../lib/fan-out-definition.ts';
import { type Sandbox, type SandboxRequest, startSandbox } from '../../../sandbox/sandbox.ts';
import { type LambdaProcess, startLambda } from '../../invocation/support/lambda-process.ts';
import { environmentOf } from '../../invocation/support/raw-logs.ts';
import { type QueueServer, startQueues } from '../../support/queue-server.ts';
import { Execution } from '../../support/states.ts';
import { type Ended, environment, runInProcess } from '../command-line.ts';
import { handOn, stackOutputs } from './aws-stub.ts';

export const BUCKET = 'application-logs';
export const MACHINE = 'arn:aws:states:us-east-1:000000000000:stateMachine:LogRollup';
export const TOPIC = 'arn:aws:sns:us-east-1:000000000000:alarms';
const CONFIRMED = `${TOPIC}:6b0e71bd-7e97-4d97-80ce-4a0994e55286`;

/** Credentials by which a hook tells the function's requests from those of the command line. */
const FUNCTION_KEY = 'AKIAFUNCTION';

export const byFunction = ({ headers }: SandboxRequest): boolean =>
  headers.authorization?.includes(`Credential=${FUNCTION_KEY}/`) === true;

interface StubAlarm {
  AlarmName: string;
  AlarmArn: string;
  ActionsEnabled: boolean;
  AlarmActions: string[];
  AlarmRule?: string;
}

/** A deployed stack on loopback: S3, its queue, its function behind the queue, its state machine, its alarms. */
export interface SmokeWorld extends AsyncDisposable {
  sandbox: Sandbox;
  queues: QueueServer;
  alarms: StubAlarm[];
  /** ARNs of the subscriptions of every topic. */
  subscriptions: string[];
  /** Calls of AWS besides S3 that are refused with AccessDenied. */
  denied: string[];
  /** Calls of AWS besides S3, in the order of arrival. */
  calls: string[];
  /** Called with the payload of each step. */
  onStep: (payload: unknown) => void | Promise<void>;
  /** Everything in the bucket. */
  keys: () => string[];
  env: NodeJS.ProcessEnv;
  cli: (args: string[]) => Promise<Ended>;
}

export interface WorldOptions {
  /** Variables of the function. */
  settings?: Record<string, string>;
  fanOut?: boolean;
  /** Of the stream `checkout`, below either root. */
  template?: string;
  /** False: nobody takes messages from the queue. */
  consumer?: boolean;
}

export function alarm(name: string, more: Partial<StubAlarm> = {}): StubAlarm {
  const AlarmArn = `arn:aws:cloudwatch:us-east-1:000000000000:alarm:${name}`;
  return { AlarmName: name, AlarmArn, ActionsEnabled: true, AlarmActions: [TOPIC], ...more };
}

export async function openWorld({
  settings = {},
  fanOut = false,
  template = 'checkout/{yyyy}{MM}{dd}/{HH}/',
  consumer = true,
}: WorldOptions = {}): Promise<SmokeWorld> {
  const sandbox = await startSandbox({ buckets: [BUCKET] });
  const queues = await startQueues({ visibilitySeconds: 3_600 });
  const variables = {
    ...environmentOf(sandbox, { [ENV.streams]: JSON.stringify([['checkout', template]]), ...settings }),
    AWS_ACCESS_KEY_ID: FUNCTION_KEY,
  };
  const lambda = await startLambda({
    env: { ...variables, [ENV.queueUrl]: queues.queueUrl, AWS_ENDPOINT_URL_SQS: queues.endpoint },
  });
  // As with a reserved concurrency of 1.
  const one = pLimit(1);
  const invoke = (event: unknown) => one(() => lambda.invoke(event));
  const executions = new Map<string, Record<string, unknown>>();

  const answers: Record<string, (input: Record<string, string>) => unknown> = {
    DescribeStacks: () => {
      const outputs = {
        ...stackOutputs(at(queues.queueUrl), at(queues.deadLetterUrl)),
        [STACK_OUTPUTS.streams]: JSON.stringify([
          { name: 'checkout', source: `s3://${BUCKET}/raw/${template}`, minute: 10 },
        ]),
        ...(fanOut ? { [FAN_OUT_OUTPUTS.stateMachineArn]: MACHINE } : {}),
      };
      const members = Object.entries(outputs).map(
        ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
      );
      return `<Stacks><member><StackName>LogRollup</StackName><Outputs>${members.join('')}</Outputs></member></Stacks>`;
    },
    ListStackResources: () => {
      const members = world.alarms.map(({ AlarmName, AlarmRule }) => {
        const type = AlarmRule === undefined ? 'Alarm' : 'CompositeAlarm';
        return `<member><ResourceType>AWS::CloudWatch::${type}</ResourceType><PhysicalResourceId>${AlarmName}</PhysicalResourceId></member>`;
      });
      return `<StackResourceSummaries><member><ResourceType>AWS::SQS::Queue</ResourceType></member>${members.join('')}</StackResourceSummaries>`;
    },
    ListSubscriptionsByTopic: () => {
      const members = world.subscriptions.map(
        (arn) => `<member><SubscriptionArn>${arn}</SubscriptionArn></member>`,
      );
      return `<Subscriptions>${members.join('')}</Subscriptions>`;
    },
    DescribeAlarms: () => ({
      MetricAlarms: world.alarms.filter(({ AlarmRule }) => AlarmRule === undefined),
      CompositeAlarms: world.alarms.filter(({ AlarmRule }) => AlarmRule !== undefined),
    }),
    StartExecution: ({ name = '', input = '' }) => {
      const executionArn = `${MACHINE}:${name}`;
      executions.set(executionArn, { status: 'RUNNING' });
      void execute(JSON.parse(input)).then((ended) => executions.set(executionArn, ended));
      return { executionArn, startDate: 0 };
    },
    DescribeExecution: ({ executionArn = '' }) => ({
      executionArn,
      stateMachineArn: MACHINE,
      startDate: 0,
      ...executions.get(executionArn),
    }),
    StopExecution: () => ({ stopDate: 0 }),
  };

  /** The definition as it is deployed, with the code of the steps behind it. */
  function execute(input: unknown): Promise<Record<string, unknown>> {
    const steps = createStepInvocation({ ...process.env, ...variables });
    const context = { awsRequestId: 'step', getRemainingTimeInMillis: () => 900_000 } as Context;
    const definition = fanOutDefinition({ functionArn: 'steps', batch: 2, timeoutSeconds: 900 });
    return new Execution(definition, input, {
      invoke: async (_, payload) => {
        await world.onStep(payload);
        return steps.handle(payload, context);
      },
      getObject: (bucket, key) => sandbox.get(bucket, key),
      wait: () => undefined,
      random: () => 0,
    }).run();
  }

  const server = createServer((request, response) => {
    void buffer(request).then(async (bytes) => {
      const body = bytes.toString();
      const target = /\.(\w+)$/.exec(String(request.headers['x-amz-target'] ?? ''))?.[1];
      const isInvoke = /^\/2015-03-31\/functions\/[^/]+\/invocations$/.test(request.url ?? '');
      const form = new URLSearchParams(body);
      const name = isInvoke ? 'Invoke' : (target ?? form.get('Action') ?? '');
      world.calls.push(name);
      if (world.denied.includes(name)) {
        const code = name === 'ListSubscriptionsByTopic' ? 'AuthorizationError' : 'AccessDenied';
        const message = `User is not authorized to perform: ${name}`;
        const xml = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;
        const json = JSON.stringify({ __type: 'AccessDeniedException', message });
        response.statusCode = 403;
        response.setHeader('x-amzn-errortype', 'AccessDeniedException');
        response.end(form.has('Action') ? xml : json);
        return;
      }
      if (String(request.headers['x-amz-target']).startsWith('AmazonSQS.')) {
        const { status, type, body } = await handOn(queues, request, bytes);
        response.writeHead(status, { 'content-type': type }).end(body);
        return;
      }
      if (isInvoke) {
        const { result, failure } = await invoke(JSON.parse(body));
        if (failure !== undefined) response.setHeader('x-amz-function-error', 'Unhandled');
        response.end(JSON.stringify(failure ?? result));
        return;
      }
      const answer = answers[name]?.(
        target === undefined ? {} : (JSON.parse(body) as Record<string, string>),
      );
      if (answer === undefined) response.statusCode = 501;
      response.end(
        typeof answer === 'string'
          ? `<${name}Response><${name}Result>${answer}</${name}Result></${name}Response>`
          : JSON.stringify(answer ?? `not told of ${name}`),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const at = (url: string): string => url.replace(queues.endpoint, endpoint);
  const env = environment(sandbox.endpoint, {
    ...Object.fromEntries(
      ['SQS', 'LAMBDA', 'CLOUDFORMATION', 'CLOUDWATCH', 'SNS', 'SFN'].map((service) => [
        `AWS_ENDPOINT_URL_${service}`,
        endpoint,
      ]),
    ),
    POWERTOOLS_LOG_LEVEL: 'SILENT',
    POWERTOOLS_METRICS_DISABLED: 'true',
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
  });
  const stop = new AbortController();
  const consumed = consumer ? consume(queues, invoke, stop.signal) : Promise.resolve();
  const world: SmokeWorld = {
    sandbox,
    queues,
    alarms: [alarm('DeadLetters')],
    subscriptions: [CONFIRMED],
    denied: [],
    calls: [],
    onStep: () => undefined,
    keys: () => sandbox.keys(BUCKET, ''),
    env,
    cli: (args) => runInProcess(args, env),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      // First, for an invocation that hangs.
      await lambda[Symbol.asyncDispose]();
      await consumed;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await queues[Symbol.asyncDispose]();
      await sandbox.close();
    },
  };
  return world;
}

/** Acts as the event source mapping. A message that failed stays hidden, as it does for minutes. */
async function consume(
  queues: QueueServer,
  invoke: LambdaProcess['invoke'],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const message = await queues.receive(queues.queueUrl, signal);
    if (message === undefined) continue;
    const { MessageId: messageId, Body: body = '', Attributes: attributes = {} } = message;
    const record = { messageId, receiptHandle: message.ReceiptHandle, body, attributes };
    const { failure } = await invoke({ Records: [{ ...record, eventSource: 'aws:sqs' }] });
    if (failure === undefined) await queues.delete(queues.queueUrl, message);
  }
}
