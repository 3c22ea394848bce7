import { CfnResource, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { InvalidConfiguration } from './config/invalid-configuration.ts';

/** Resources that CloudFormation takes in a stack: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html */
const MOST_RESOURCES = 500;
/** CDK adds AWS::CDK::Metadata at the synthesis. */
const ADDED_BY_CDK = 1;
/** A schedule, and alarms on commits and on file descriptors. */
const OF_A_STREAM = 3;

/**
 * Throws `InvalidConfiguration` where the stack has more resources than CloudFormation takes. To be called when all of them are
 * created. CDK would refuse them as well, without a word on streams.
 */
export function refuseTooManyResources(scope: Construct, streams: number, emptyHourAlarm: boolean): void {
  const stack = Stack.of(scope);
  const inStack = stack.node.findAll().filter((one) => CfnResource.isCfnResource(one) && one.stack === stack);
  const all = inStack.length + ADDED_BY_CDK;
  if (all <= MOST_RESOURCES) return;
  const each = OF_A_STREAM + (emptyHourAlarm ? 1 : 0);
  const others = all - streams * each;
  const room = Math.max(1, Math.floor((MOST_RESOURCES - others) / each));
  throw new InvalidConfiguration('The stack cannot be deployed', [
    `streams: ${streams} streams take ${streams * each} resources, which are ${all} with the ${others} others, and CloudFormation takes ${MOST_RESOURCES} in a stack: ` +
      `share the streams out among several stacks of at most ${room}, each with a stackName of its own`,
  ]);
}
