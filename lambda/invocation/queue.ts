import { ChangeMessageVisibilityCommand, SQSClient, SendMessageCommand } from '@aws-sdk/client-sqs';
import { handlerProxy } from '../proxy.ts';

/** One queue of requests. The only file of the function that calls SQS. */
export interface Queue {
  /** Sends a message as JSON. */
  send: (message: unknown) => Promise<void>;
  /** Makes a received message visible again after `seconds`, instead of the queue's visibility timeout. */
  giveBack: (receiptHandle: string, seconds: number) => Promise<void>;
}

// A continuation is sent in the last seconds of an invocation: a lost answer must leave time for another attempt.
const CONNECT_MS = 1_000;
const ANSWER_MS = 1_500;

/** Creates a client with credentials and region from the environment. Nothing is sent yet. */
export function openQueue(queueUrl: string): Queue {
  const client = new SQSClient({
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      throwOnRequestTimeout: true,
      ...handlerProxy(),
    },
  });
  return {
    send: async (message) => {
      await client.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: JSON.stringify(message) }));
    },
    giveBack: async (ReceiptHandle, VisibilityTimeout) => {
      await client.send(
        new ChangeMessageVisibilityCommand({ QueueUrl: queueUrl, ReceiptHandle, VisibilityTimeout }),
      );
    },
  };
}
