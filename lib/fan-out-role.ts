import { Aws, Stack, Validations } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { Engine } from './config/engine.ts';
import type { Root } from './config/root.ts';
import { MAP_LABEL } from './fan-out-definition.ts';
import { flattenReference } from './flatten-reference.ts';

/** Properties of `createStateMachineRole`. */
export interface StateMachineRoleProps {
  readonly aggregated: Root;
  readonly engine: Engine;
  /** Send traces to X-Ray. */
  readonly tracing: boolean;
  /** ARN of the function of the steps. */
  readonly stepsArn: string;
  readonly stateMachineArn: string;
  /** ARN of the machine's executions, without their names. */
  readonly executionsArn: string;
}

/** Creates the role of the state machine with all of its permissions. */
export function createStateMachineRole(scope: Construct, id: string, props: StateMachineRoleProps): Role {
  const { aggregated, tracing, stepsArn, stateMachineArn } = props;
  const plans = aggregated.bucket.arnForObjects(`${aggregated.prefix}*_plan/*.items.jsonl`);
  // https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html: batches are executions by the map's label.
  const executions = `${props.executionsArn}:*`;
  const batches = `${props.executionsArn}/${MAP_LABEL}:*`;
  const statements = [
    new PolicyStatement({
      sid: 'InvokeSteps',
      actions: ['lambda:InvokeFunction'],
      resources: [stepsArn],
    }),
    new PolicyStatement({ sid: 'ReadItems', actions: ['s3:GetObject'], resources: [plans] }),
    ...decryptItems(props),
    new PolicyStatement({
      sid: 'StartBatches',
      actions: ['states:StartExecution'],
      resources: [stateMachineArn],
    }),
    new PolicyStatement({
      sid: 'FollowBatches',
      actions: ['states:DescribeExecution', 'states:StopExecution'],
      resources: [executions, batches],
    }),
    new PolicyStatement({
      sid: 'RedriveBatches',
      actions: ['states:RedriveExecution'],
      resources: [batches],
    }),
    new PolicyStatement({
      sid: 'DeliverLogs',
      // https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html: these have no resources.
      actions: [
        'logs:CreateLogDelivery',
        'logs:GetLogDelivery',
        'logs:UpdateLogDelivery',
        'logs:DeleteLogDelivery',
        'logs:ListLogDeliveries',
        'logs:PutResourcePolicy',
        'logs:DescribeResourcePolicies',
        'logs:DescribeLogGroups',
      ],
      resources: ['*'],
    }),
  ];
  if (tracing)
    statements.push(
      new PolicyStatement({
        sid: 'WriteTraces',
        actions: [
          'xray:PutTraceSegments',
          'xray:PutTelemetryRecords',
          'xray:GetSamplingRules',
          'xray:GetSamplingTargets',
        ],
        resources: ['*'],
      }),
    );
  const role = new Role(scope, id, {
    description: 'Carries out the steps of a large rollup',
    assumedBy: new ServicePrincipal('states.amazonaws.com', {
      // https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
      conditions: {
        StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
        ArnLike: { 'aws:SourceArn': stateMachineArn },
      },
    }),
    inlinePolicies: { FanOut: new PolicyDocument({ statements }) },
  });
  const acknowledge = (resource: string, reason: string) => {
    const flat = flattenReference(Stack.of(scope).resolve(resource));
    Validations.of(role).acknowledge({ id: `AwsSolutions-IAM5[Resource::${flat}]`, reason });
  };
  acknowledge(plans, 'Plans have ids of their own; reading is confined to the items of plans.');
  acknowledge(executions, 'Executions have names of their own, and only those of this machine are meant.');
  acknowledge(batches, 'Batches are executions whose names Step Functions makes.');
  acknowledge('*', 'Delivery of logs and X-Ray do not support permissions on resources.');
  return role;
}

/** Permission to decrypt plans: with the key of the bucket, and with the one that the steps write with, where it is another. */
function decryptItems({ aggregated, engine }: StateMachineRoleProps): PolicyStatement[] {
  const keys = [aggregated.bucket.encryptionKey?.keyArn, engine.kmsKeyId].filter((arn) => arn !== undefined);
  if (keys.length === 0) return [];
  return [
    new PolicyStatement({
      sid: 'DecryptItems',
      actions: ['kms:Decrypt'],
      resources: [...new Set(keys)],
      conditions: { StringEquals: { 'kms:ViaService': `s3.${Aws.REGION}.${Aws.URL_SUFFIX}` } },
    }),
  ];
}
