import { CfnOutput, Stack } from 'aws-cdk-lib';
import { FAN_OUT_OUTPUTS, STACK_OUTPUTS } from '../lambda/names.ts';
import type { LogRollup } from './log-rollup.ts';
import { formatRoot } from './config/root.ts';

/**
 * Adds the stack's outputs that the operator's commands read (`--stack NAME`). Their names are fixed, so that a stack can have
 * one rollup. They are not exported: no other stack can depend on them.
 */
export function addOutputs(rollup: LogRollup): void {
  const stack = Stack.of(rollup);
  const { queues } = rollup;
  const streams = rollup.streams.map(({ name, source, minute }) => ({ name, source, minute }));
  const output = (name: string, description: string, value: string) =>
    new CfnOutput(stack, name, { value, description });
  output(STACK_OUTPUTS.queueUrl, 'Requests go here', queues.requests.queueUrl);
  output(STACK_OUTPUTS.deadLetterQueueUrl, 'Requests that failed for good', queues.deadLetters.queueUrl);
  output(STACK_OUTPUTS.deadLetterQueueArn, 'What a redrive starts from', queues.deadLetters.queueArn);
  output(STACK_OUTPUTS.functionName, 'For direct invocation', rollup.live.functionName);
  output(STACK_OUTPUTS.functionRoleArn, 'Reads raw logs, writes rollups', rollup.functionRole.roleArn);
  output(STACK_OUTPUTS.rawRoot, 'Every source is under it', formatRoot(rollup.raw));
  output(STACK_OUTPUTS.aggregatedRoot, 'Every rollup is under it', formatRoot(rollup.aggregated));
  output(STACK_OUTPUTS.streams, 'What is rolled up, and when', stack.toJsonString(streams));
  const anyPrefix = String(rollup.allowAnyPrefix);
  output(STACK_OUTPUTS.allowAnyPrefix, 'Whether other prefixes than those of streams are taken', anyPrefix);
  output(STACK_OUTPUTS.dashboardUrl, 'What was done and what waits', rollup.dashboard.url);
  if (rollup.fanOut === undefined) return;
  const { stateMachine, functionRole, role } = rollup.fanOut;
  output(FAN_OUT_OUTPUTS.stateMachineArn, 'Large requests go here', stateMachine.stateMachineArn);
  output(FAN_OUT_OUTPUTS.stepsRoleArn, 'Reads and writes as that of the function does', functionRole.roleArn);
  output(FAN_OUT_OUTPUTS.stateMachineRoleArn, 'Reads the items of plans', role.roleArn);
}
