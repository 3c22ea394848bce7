import { SQSClient, SendMessageCommand } from '@aws-sdk/client-sqs';

/** Sends JSON to one queue. The only place of the function that knows SQS. */
export interface Queue {
  send: (message: unknown) => Promise<void>;
}

export function openQueue(queueUrl: string): Queue {
  const client = new SQSClient({});
  return {
    send: async (message) => {
      await client.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: JSON.stringify(message) }));
    },
  };
}
