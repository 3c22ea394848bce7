import type { QueueServer } from '../../support/queue-server.ts';
import type { Invoked, LambdaProcess } from './lambda-process.ts';

export interface Delivery extends Invoked {
  body: string;
  receives: number;
  /** Seconds for which the message was hidden after it failed. */
  hiddenSeconds: number;
}

/**
 * Acts as the event source mapping until the queue is empty: one message an invocation. It is deleted when the function
 * answers, and delivered again at once when it fails.
 */
export async function drain(queues: QueueServer, lambda: LambdaProcess): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  while ((await queues.depth(queues.queueUrl)) > 0) {
    const message = await queues.receive(queues.queueUrl);
    if (message === undefined) continue;
    const { MessageId: messageId, Body: body = '', Attributes: attributes = {} } = message;
    const { ReceiptHandle: receiptHandle } = message;
    const eventSource = 'aws:sqs';
    const invoked = await lambda.invoke({
      Records: [{ messageId, receiptHandle, body, attributes, eventSource }],
    });
    if (invoked.failure === undefined) await queues.delete(queues.queueUrl, message);
    const hiddenSeconds = invoked.failure === undefined ? 0 : await queues.reveal(queues.queueUrl, message);
    const receives = Number(attributes['ApproximateReceiveCount']);
    deliveries.push({ ...invoked, body, receives, hiddenSeconds });
  }
  return deliveries;
}

/** Acts as a move task of SQS: sends dead letters to the queue as new messages. */
export async function moveBack(queues: QueueServer): Promise<void> {
  while ((await queues.depth(queues.deadLetterUrl)) > 0) {
    const message = await queues.receive(queues.deadLetterUrl);
    if (message === undefined) continue;
    await queues.send(message.Body ?? '');
    await queues.delete(queues.deadLetterUrl, message);
  }
}
