import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';
import { z } from 'zod';
import { MAX_RECEIVES } from '../../lambda/names.ts';

/** SQS over HTTP on 127.0.0.1: a queue of requests, and its dead-letter queue. */
export interface QueueServer extends AsyncDisposable {
  endpoint: string;
  queueUrl: string;
  deadLetterUrl: string;
  /** To the queue of requests, where no other is named. */
  send: (body: unknown, queueUrl?: string) => Promise<void>;
  /** Long-polls; hides what it gives for the queue's visibility timeout. Undefined too where the signal ends the wait. */
  receive: (queueUrl: string, signal?: AbortSignal) => Promise<Message | undefined>;
  delete: (queueUrl: string, message: Message) => Promise<void>;
  /** Ends the time for which a message is hidden; returns the seconds that were left of it. */
  reveal: (queueUrl: string, message: Message) => Promise<number>;
  /** What is in a queue, hidden or not. */
  depth: (queueUrl: string) => Promise<number>;
}

const inspection = z.object({
  messages: z.object({
    inflight: z.array(
      z.object({ message: z.object({ messageId: z.string() }), visibilityDeadline: z.number() }),
    ),
  }),
});

export async function startQueues({ visibilitySeconds = 1 } = {}): Promise<QueueServer> {
  const app = buildApp({ logger: false });
  const endpoint = await app.listen({ host: '127.0.0.1', port: 0 });
  const client = new SQSClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const create = async (QueueName: string, Attributes: Record<string, string>): Promise<string> => {
    await client.send(new CreateQueueCommand({ QueueName, Attributes }));
    // By address: not every resolver knows names under localhost.
    return `${endpoint}/000000000000/${QueueName}`;
  };
  const attributes = async (QueueUrl: string): Promise<Record<string, string>> => {
    const query = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] });
    return (await client.send(query)).Attributes ?? {};
  };
  const deadLetterUrl = await create('dead-letters', {});
  const deadLetterTargetArn = (await attributes(deadLetterUrl))['QueueArn'];
  const queueUrl = await create('requests', {
    VisibilityTimeout: String(visibilitySeconds),
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: MAX_RECEIVES }),
  });
  return {
    endpoint,
    queueUrl,
    deadLetterUrl,
    send: async (body, to = queueUrl) => {
      const MessageBody = typeof body === 'string' ? body : JSON.stringify(body);
      await client.send(new SendMessageCommand({ QueueUrl: to, MessageBody }));
    },
    receive: async (QueueUrl, abortSignal) => {
      const receive = new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: 1,
        WaitTimeSeconds: 1,
        MessageSystemAttributeNames: ['All'],
      });
      try {
        return (await client.send(receive, abortSignal && { abortSignal })).Messages?.[0];
      } catch (error) {
        if (abortSignal?.aborted === true) return undefined;
        throw error;
      }
    },
    delete: async (QueueUrl, { ReceiptHandle }) => {
      await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    },
    reveal: async (QueueUrl, { MessageId, ReceiptHandle }) => {
      const response = await fetch(`${endpoint}/_fauxqs/queues/${QueueUrl.split('/').at(-1) ?? ''}`);
      const { messages } = inspection.parse(await response.json());
      const deadline = messages.inflight.find(({ message }) => message.messageId === MessageId);
      await client.send(
        new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }),
      );
      return Math.ceil(((deadline?.visibilityDeadline ?? Date.now()) - Date.now()) / 1000);
    },
    depth: async (QueueUrl) => {
      const found = await attributes(QueueUrl);
      return (
        Number(found['ApproximateNumberOfMessages']) + Number(found['ApproximateNumberOfMessagesNotVisible'])
      );
    },
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      await app.close();
    },
  };
}
