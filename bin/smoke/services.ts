/** The calls to AWS that `smoke` makes besides those of all commands. Each throws an `OperatorError`. */
export interface SmokeServices {
  /** Names of the alarms of a stack, composite ones among them. */
  alarmNames: (stackName: string) => Promise<string[]>;
  /** Those of the alarms that are there. */
  alarms: (names: string[]) => Promise<Alarm[]>;
  /** ARNs of the subscriptions of a topic; `PendingConfirmation` for one that nobody has confirmed. */
  subscriptions: (topicArn: string) => Promise<string[]>;
  /**
   * Receives messages and deletes the one with this id; the others become visible again at once.
   *
   * @returns false where it was not among them: it is being worked on, waits for its next attempt, or is gone
   */
  takeBack: (queueUrl: string, messageId: string) => Promise<boolean>;
  /** Starts an execution and returns its ARN. */
  startExecution: (stateMachineArn: string, name: string, input: unknown) => Promise<string>;
  execution: (executionArn: string) => Promise<ExecutionState>;
  stopExecution: (executionArn: string) => Promise<void>;
  close: () => void;
}

/** An alarm, as far as it tells whom it reaches. */
export interface Alarm {
  name: string;
  arn: string;
  actionsEnabled: boolean;
  /** ARNs of what it does when it is raised. */
  actions: string[];
  /** Of a composite alarm: its rule, which names others. */
  rule: string | undefined;
}

/** The state of an execution; `error` and `cause` where it failed. */
export interface ExecutionState {
  status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED' | 'PENDING_REDRIVE';
  error: string | undefined;
  cause: string | undefined;
}
