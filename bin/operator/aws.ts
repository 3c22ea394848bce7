import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  ChangeMessageVisibilityBatchCommand,
  GetQueueAttributesCommand,
  ListMessageMoveTasksCommand,
  type Message as SqsMessage,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageCommand,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs';
import { z } from 'zod';
import { handlerProxy } from '../../lambda/proxy.ts';
import { translated } from './aws-errors.ts';
import { OperatorError } from './operator-error.ts';
import type { Message, Move, PeekOptions, QueueState, Services } from './services.ts';

/** Timeout of an invocation, longer than a function can run: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const INVOKE_MS = 910_000;
const ANSWER_MS = 20_000;
const CONNECT_MS = 5_000;
/** Messages of one receive, and of one change of visibility, at most. */
const BATCH = 10;
/** Receives of one look at a queue, for each full one that would do: each may return only some of the messages. */
const PEEK_RECEIVES = 5;
/** Seconds for which a message that was looked at stays hidden, if this process ends before it releases it. */
const PEEK_SECONDS = 30;

const moveStatus = z.enum(['RUNNING', 'COMPLETED', 'CANCELLING', 'CANCELLED', 'FAILED']);
const functionError = z.object({ errorType: z.string().optional(), errorMessage: z.string() });

export interface AwsOptions {
  /** Default: `AWS_REGION`, or the profile's. */
  region: string | undefined;
  /** Endpoint of every service. Default: `AWS_ENDPOINT_URL_SQS` and the like, or AWS's own. */
  endpointUrl: string | undefined;
}

/** The options of every client of AWS besides S3. */
export function clientOptions({ region, endpointUrl }: AwsOptions) {
  return {
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      throwOnRequestTimeout: true,
      ...handlerProxy(),
    },
    ...(region === undefined ? {} : { region }),
    ...(endpointUrl === undefined ? {} : { endpoint: endpointUrl }),
  };
}

/** Creates the AWS clients of the operator's commands. Clients for S3 are created in lambda/s3. */
export function openServices(given: AwsOptions): Services {
  const options = clientOptions(given);
  const sqs = new SQSClient(options);
  const cloudFormation = new CloudFormationClient(options);
  const lambda = new LambdaClient({
    ...options,
    // A late answer must not repeat an invocation.
    maxAttempts: 1,
    requestHandler: { ...options.requestHandler, requestTimeout: INVOKE_MS },
  });

  return {
    stackOutputs: (stackName) =>
      translated(`Stack ${stackName}`, async () => {
        const found = await cloudFormation.send(new DescribeStacksCommand({ StackName: stackName }));
        const outputs = found.Stacks?.[0]?.Outputs ?? [];
        return Object.fromEntries(
          outputs.map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]),
        );
      }),
    send: (queueUrl, body) =>
      translated(`Queue ${queueUrl}`, async () => {
        const command = new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: JSON.stringify(body) });
        return (await sqs.send(command)).MessageId ?? '';
      }),
    queue: (queueUrl) => translated(`Queue ${queueUrl}`, () => readQueue(sqs, queueUrl)),
    peek: (queueUrl, options) => translated(`Queue ${queueUrl}`, () => peek(sqs, queueUrl, options)),
    startMove: (deadLetterArn, to) =>
      translated(`Queue ${deadLetterArn}`, async () => {
        await sqs.send(new StartMessageMoveTaskCommand({ SourceArn: deadLetterArn, DestinationArn: to }));
      }),
    lastMove: (deadLetterArn) => translated(`Queue ${deadLetterArn}`, () => readLastMove(sqs, deadLetterArn)),
    invoke: (functionName, request) =>
      translated(`Function ${functionName}`, () => invoke(lambda, functionName, request)),
    close: () => {
      for (const client of [sqs, cloudFormation, lambda]) client.destroy();
    },
  };
}

async function readQueue(sqs: SQSClient, queueUrl: string): Promise<QueueState> {
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({
      QueueUrl: queueUrl,
      AttributeNames: ['QueueArn', 'ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
    }),
  );
  return {
    arn: Attributes.QueueArn ?? '',
    waiting: Number(Attributes.ApproximateNumberOfMessages ?? 0),
    inWork: Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
  };
}

async function peek(
  sqs: SQSClient,
  queueUrl: string,
  { most = BATCH, waitSeconds = 0 }: PeekOptions = {},
): Promise<Message[]> {
  const seen = new Map<string, SqsMessage>();
  const receives = PEEK_RECEIVES * Math.ceil(most / BATCH);
  try {
    for (let i = 0; i < receives && seen.size < most; i++) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: queueUrl,
          MaxNumberOfMessages: Math.min(BATCH, most - seen.size),
          VisibilityTimeout: PEEK_SECONDS,
          WaitTimeSeconds: waitSeconds,
          MessageSystemAttributeNames: ['SentTimestamp', 'ApproximateReceiveCount'],
          MessageAttributeNames: ['All'],
        }),
      );
      if (Messages.length === 0) break;
      for (const message of Messages) seen.set(message.MessageId ?? '', message);
    }
  } finally {
    const Entries = Array.from(seen.values(), ({ ReceiptHandle }, i) => ({
      Id: String(i),
      ReceiptHandle,
      VisibilityTimeout: 0,
    }));
    for (let i = 0; i < Entries.length; i += BATCH) {
      const some = { QueueUrl: queueUrl, Entries: Entries.slice(i, i + BATCH) };
      await sqs.send(new ChangeMessageVisibilityBatchCommand(some));
    }
  }
  return Array.from(seen, ([id, { Body = '', Attributes = {}, MessageAttributes = {} }]) => ({
    id,
    body: Body,
    sentAt: new Date(Number(Attributes.SentTimestamp ?? 0)).toISOString(),
    // The count includes this receive.
    receives: Math.max(0, Number(Attributes.ApproximateReceiveCount ?? 1) - 1),
    attributes: Object.fromEntries(
      Object.entries(MessageAttributes).map(([name, { StringValue = '' }]) => [name, StringValue]),
    ),
  }));
}

async function readLastMove(sqs: SQSClient, SourceArn: string): Promise<Move | undefined> {
  const { Results = [] } = await sqs.send(new ListMessageMoveTasksCommand({ SourceArn, MaxResults: 1 }));
  const [last] = Results;
  if (last === undefined) return undefined;
  return {
    status: moveStatus.parse(last.Status),
    moved: last.ApproximateNumberOfMessagesMoved ?? 0,
    toMove: last.ApproximateNumberOfMessagesToMove ?? 0,
    failure: last.FailureReason,
  };
}

async function invoke(lambda: LambdaClient, functionName: string, request: unknown): Promise<unknown> {
  const { Payload, FunctionError } = await lambda.send(
    new InvokeCommand({ FunctionName: functionName, Payload: JSON.stringify(request) }),
  );
  const answer: unknown = JSON.parse(Payload?.transformToString() ?? 'null');
  if (FunctionError === undefined) return answer;
  const failure = functionError.safeParse(answer).data;
  throw new OperatorError(
    failure?.errorType ?? 'FunctionFailed',
    failure?.errorMessage ?? `${functionName} failed: ${JSON.stringify(answer)}`,
  );
}
