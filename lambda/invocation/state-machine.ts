import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';

/** Starts executions of one state machine. The only place of the function that knows Step Functions. */
export interface StateMachine {
  /**
   * A name is taken once: starting it again, while it goes on or after its end, is nothing. So a message that is delivered
   * twice starts one execution.
   */
  start: (name: string, input: unknown) => Promise<void>;
}

export function openStateMachine(stateMachineArn: string): StateMachine {
  const client = new SFNClient({});
  return {
    start: async (name, input) => {
      const command = new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) });
      await client.send(command).catch((error: unknown) => {
        if (!(error instanceof ExecutionAlreadyExists)) throw error;
      });
    },
  };
}
