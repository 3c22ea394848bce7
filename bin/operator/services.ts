/** The calls that the operator's commands make to AWS besides S3, and no others. Each throws an `OperatorError`. */
export interface Services {
  /** Outputs of a stack, by name. */
  stackOutputs: (stackName: string) => Promise<Record<string, string>>;
  /** Returns the message's id. */
  send: (queueUrl: string, body: unknown) => Promise<string>;
  queue: (queueUrl: string) => Promise<QueueState>;
  /** Some of the messages, at most ten. They stay where they are. */
  peek: (queueUrl: string) => Promise<Message[]>;
  /**
   * Moves every message of a dead-letter queue to another, or back to the queue that it came from: what EventBridge put
   * there came from none.
   */
  startMove: (deadLetterArn: string, to: string | undefined) => Promise<void>;
  /** The task that was started last; undefined where there never was one. */
  lastMove: (deadLetterArn: string) => Promise<Move | undefined>;
  /** Waits for the function's answer. A function that failed throws, under its own error's name. */
  invoke: (functionName: string, request: unknown) => Promise<unknown>;
  close: () => void;
}

/** Counts are approximate: SQS says so. */
export interface QueueState {
  arn: string;
  waiting: number;
  /** Received and not deleted. */
  inWork: number;
}

export interface Message {
  id: string;
  body: string;
  /** ISO 8601. */
  sentAt: string;
  receives: number;
  /** What its sender attached. */
  attributes: Record<string, string>;
}

export interface Move {
  status: 'RUNNING' | 'COMPLETED' | 'CANCELLING' | 'CANCELLED' | 'FAILED';
  moved: number;
  toMove: number;
  failure: string | undefined;
}
