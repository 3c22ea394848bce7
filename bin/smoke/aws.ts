import { CloudFormationClient, paginateListStackResources } from '@aws-sdk/client-cloudformation';
import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import {
  DescribeExecutionCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { SNSClient, paginateListSubscriptionsByTopic } from '@aws-sdk/client-sns';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { z } from 'zod';
import { type AwsOptions, clientOptions } from '../operator/aws.ts';
import { translated } from '../operator/aws-errors.ts';
import type { Alarm, ExecutionState, SmokeServices } from './services.ts';

/** Alarms that one request describes: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html */
const ALARMS_AT_ONCE = 100;
const ALARM_TYPES = ['AWS::CloudWatch::Alarm', 'AWS::CloudWatch::CompositeAlarm'];
/** Receives in search of one message: each may return only some of those that are there. */
const RECEIVES = 5;
/** Seconds for which a received message stays hidden, if this process ends before it releases it. */
const HIDDEN_SECONDS = 10;

const executionStatus = z.enum(['RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED', 'PENDING_REDRIVE']);

/** Creates the clients that `smoke` alone needs. */
export function openSmokeServices(given: AwsOptions): SmokeServices {
  const options = clientOptions(given);
  const cloudFormation = new CloudFormationClient(options);
  const cloudWatch = new CloudWatchClient(options);
  const sns = new SNSClient(options);
  const sqs = new SQSClient(options);
  const states = new SFNClient(options);
  return {
    alarmNames: (stackName) =>
      translated(`Resources of stack ${stackName}`, async () => {
        const names: string[] = [];
        const pages = paginateListStackResources({ client: cloudFormation }, { StackName: stackName });
        for await (const { StackResourceSummaries = [] } of pages)
          for (const { ResourceType = '', PhysicalResourceId } of StackResourceSummaries)
            if (ALARM_TYPES.includes(ResourceType) && PhysicalResourceId !== undefined)
              // Of a composite alarm this may be its ARN, which ends with its name.
              names.push(PhysicalResourceId.replace(/^arn:.*:alarm:/, ''));
        return names;
      }),
    alarms: (names) => translated('Alarms', () => describeAlarms(cloudWatch, names)),
    subscriptions: (topicArn) =>
      translated(`Topic ${topicArn}`, async () => {
        const arns: string[] = [];
        const pages = paginateListSubscriptionsByTopic({ client: sns }, { TopicArn: topicArn });
        for await (const { Subscriptions = [] } of pages)
          arns.push(...Subscriptions.map(({ SubscriptionArn = '' }) => SubscriptionArn));
        return arns;
      }),
    takeBack: (queueUrl, messageId) =>
      translated(`Queue ${queueUrl}`, () => takeBack(sqs, queueUrl, messageId)),
    startExecution: (stateMachineArn, name, input) =>
      translated(`State machine ${stateMachineArn}`, async () => {
        const command = new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) });
        return (await states.send(command)).executionArn ?? '';
      }),
    execution: (executionArn) =>
      translated(`Execution ${executionArn}`, async (): Promise<ExecutionState> => {
        const { status, error, cause } = await states.send(new DescribeExecutionCommand({ executionArn }));
        return { status: executionStatus.parse(status), error, cause };
      }),
    stopExecution: (executionArn) =>
      translated(`Execution ${executionArn}`, async () => {
        await states.send(new StopExecutionCommand({ executionArn, error: 'SmokeStopped' }));
      }),
    close: () => {
      for (const client of [cloudFormation, cloudWatch, sns, sqs, states]) client.destroy();
    },
  };
}

async function describeAlarms(client: CloudWatchClient, names: string[]): Promise<Alarm[]> {
  const alarms: Alarm[] = [];
  for (let at = 0; at < names.length; at += ALARMS_AT_ONCE) {
    const { MetricAlarms = [], CompositeAlarms = [] } = await client.send(
      new DescribeAlarmsCommand({
        AlarmNames: names.slice(at, at + ALARMS_AT_ONCE),
        // Without it, composite ones are not described.
        AlarmTypes: ['MetricAlarm', 'CompositeAlarm'],
        MaxRecords: ALARMS_AT_ONCE,
      }),
    );
    const described = [
      ...MetricAlarms.map((alarm) => ({ ...alarm, AlarmRule: undefined })),
      ...CompositeAlarms,
    ];
    for (const { AlarmName = '', AlarmArn = '', ActionsEnabled, AlarmActions = [], AlarmRule } of described)
      alarms.push({
        name: AlarmName,
        arn: AlarmArn,
        actionsEnabled: ActionsEnabled === true,
        actions: AlarmActions,
        rule: AlarmRule,
      });
  }
  return alarms;
}

async function takeBack(sqs: SQSClient, QueueUrl: string, messageId: string): Promise<boolean> {
  const others: string[] = [];
  try {
    for (let i = 0; i < RECEIVES; i++) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: HIDDEN_SECONDS }),
      );
      if (Messages.length === 0) return false;
      const ours = Messages.find(({ MessageId }) => MessageId === messageId);
      others.push(
        ...Messages.filter((message) => message !== ours).flatMap(({ ReceiptHandle }) => ReceiptHandle ?? []),
      );
      if (ours === undefined) continue;
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: ours.ReceiptHandle }));
      return true;
    }
    return false;
  } finally {
    for (const ReceiptHandle of others)
      await sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
  }
}
