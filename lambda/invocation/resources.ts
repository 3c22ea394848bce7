import { type Connection, connect } from '../s3/connection.ts';
import { type FunctionConfig, parseEnvironment } from './environment.ts';
import { type Queue, openQueue } from './queue.ts';
import { type StateMachine, openStateMachine } from './state-machine.ts';

/** Configuration and clients, made once in a process and used by all of its invocations. */
export interface Resources {
  config: FunctionConfig;
  connection: Connection;
  /** Undefined where the function has no queue: the function of the state machine's steps. */
  queue: Queue | undefined;
  /** The state machine for requests that are too large for one invocation; undefined without fan-out. */
  stateMachine: StateMachine | undefined;
}

/**
 * Opens what an invocation needs. A bad environment is an error of every invocation, which is logged, rather than one of
 * a process that does not start.
 *
 * @returns a function that returns the resources, or throws `InvalidEnvironment` each time it is called
 */
export function openResources(environment: NodeJS.ProcessEnv): () => Resources {
  try {
    const config = parseEnvironment(environment);
    const { queueUrl, stateMachineArn } = config;
    const resources = {
      config,
      connection: connect({ settings: config.settings }),
      queue: queueUrl === undefined ? undefined : openQueue(queueUrl),
      stateMachine: stateMachineArn === undefined ? undefined : openStateMachine(stateMachineArn),
    };
    return () => resources;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
