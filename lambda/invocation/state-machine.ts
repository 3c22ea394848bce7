import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { handlerProxy } from '../proxy.ts';

/** One state machine. The only file of the function that calls Step Functions. */
export interface StateMachine {
  /**
   * Starts an execution. If one of this name runs or has ended, nothing happens: a message that is delivered twice starts
   * one execution.
   *
   * @param input sent as JSON
   */
  start: (name: string, input: unknown) => Promise<void>;
}

/** Creates a client with credentials and region from the environment. Nothing is sent yet. */
export function openStateMachine(stateMachineArn: string): StateMachine {
  const client = new SFNClient({ requestHandler: handlerProxy() });
  return {
    start: async (name, input) => {
      const command = new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) });
      await client.send(command).catch((error: unknown) => {
        if (!(error instanceof ExecutionAlreadyExists)) throw error;
      });
    },
  };
}
