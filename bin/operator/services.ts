/** The calls to AWS, besides S3, that the operator's commands make. Each throws an `OperatorError`. */
export interface Services {
  /** Outputs of a stack, by name. */
  stackOutputs: (stackName: string) => Promise<Record<string, string>>;
  /** Sends a message and returns its id. */
  send: (queueUrl: string, body: unknown) => Promise<string>;
  queue: (queueUrl: string) => Promise<QueueState>;
  /** Some of the messages. They stay in the queue, and are hidden from other readers meanwhile. */
  peek: (queueUrl: string, options?: PeekOptions) => Promise<Message[]>;
  /**
   * Begins to move every message of a dead-letter queue to `to`, or, if that is undefined, back to the queue that it came
   * from. Messages that EventBridge sent came from no queue, and need `to`.
   */
  startMove: (deadLetterArn: string, to: string | undefined) => Promise<void>;
  /** The task that was started last; undefined if there never was one. */
  lastMove: (deadLetterArn: string) => Promise<Move | undefined>;
  /**
   * Invokes the function and waits for its answer. If it fails, the code of the `OperatorError` is the name of its
   * error.
   */
  invoke: (functionName: string, request: unknown) => Promise<unknown>;
  close: () => void;
}

/** Counts of messages, which SQS gives approximately. */
export interface QueueState {
  arn: string;
  waiting: number;
  /** Messages that were received and not deleted yet. */
  inWork: number;
}

export interface PeekOptions {
  /** @defaultValue 10 */
  most?: number;
  /**
   * Seconds for which SQS looks for a message, up to 20. Without waiting it asks a part of its servers alone.
   *
   * @defaultValue 0
   */
  waitSeconds?: number;
}

export interface Message {
  id: string;
  body: string;
  /** ISO 8601 time. */
  sentAt: string;
  receives: number;
  /** Message attributes of the sender. */
  attributes: Record<string, string>;
}

export interface Move {
  status: 'RUNNING' | 'COMPLETED' | 'CANCELLING' | 'CANCELLED' | 'FAILED';
  moved: number;
  toMove: number;
  failure: string | undefined;
}
