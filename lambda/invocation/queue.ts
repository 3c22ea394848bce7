import { ChangeMessageVisibilityCommand, SQSClient, SendMessageCommand } from '@aws-sdk/client-sqs';

/** Sends JSON to one queue. The only place of the function that knows SQS. */
export interface Queue {
  send: (message: unknown) => Promise<void>;
  /** Lets a message that was received come again after so many seconds, instead of the queue's visibility timeout. */
  giveBack: (receiptHandle: string, seconds: number) => Promise<void>;
}

// A continuation is sent in the last seconds of an invocation: an answer that is lost must leave time to ask again.
const CONNECT_MS = 1_000;
const ANSWER_MS = 1_500;

export function openQueue(queueUrl: string): Queue {
  const client = new SQSClient({
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      throwOnRequestTimeout: true,
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
