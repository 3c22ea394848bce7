import { CfnOutput, Stack } from 'aws-cdk-lib';
import { STACK_OUTPUTS } from '../lambda/names.ts';
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
  output(STACK_OUTPUTS.deadLetterQueueUrl, 'Requests that failed three times', queues.deadLetters.queueUrl);
  output(STACK_OUTPUTS.deadLetterQueueArn, 'What a redrive starts from', queues.deadLetters.queueArn);
  output(STACK_OUTPUTS.functionName, 'For direct invocation', rollup.function.functionName);
  output(STACK_OUTPUTS.rawRoot, 'Every source is under it', formatRoot(rollup.raw));
  output(STACK_OUTPUTS.aggregatedRoot, 'Every rollup is under it', formatRoot(rollup.aggregated));
  output(STACK_OUTPUTS.streams, 'What is rolled up, and when', stack.toJsonString(streams));
  const anyPrefix = String(rollup.allowAnyPrefix);
  output(STACK_OUTPUTS.allowAnyPrefix, 'Whether other prefixes than those of streams are taken', anyPrefix);
  output(STACK_OUTPUTS.dashboardUrl, 'What was done and what waits', rollup.dashboard.url);
}
