import { join } from 'node:path';
import { ArnFormat, Aws, Duration, Names, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { type CfnStateMachine, DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { DEFAULT_SETTINGS } from '../lambda/settings/settings.ts';
import { fanOutDefinition } from './fan-out-definition.ts';
import { flattenReference } from './flatten-reference.ts';
import { RollupFunction, type RollupFunctionProps } from './rollup-function.ts';

const HANDLER = join(import.meta.dirname, '..', 'lambda', 'step-handler.ts');
/** Concurrency for plan and commit of other hours, while the workers of one hour write. */
const BESIDE_WORKERS = 2;

/** Properties of `FanOut`: those of the function, which is the same code with another handler. */
export type FanOutProps = Omit<RollupFunctionProps, 'feed' | 'stateMachineArn' | 'description' | 'entry'>;

/** The state machine that large requests are dispatched to, and the function that carries out its steps. */
export class FanOut extends Construct {
  readonly stateMachine: StateMachine;
  readonly function: IFunction;

  constructor(scope: Construct, id: string, props: FanOutProps) {
    super(scope, id);
    const { engine, capacity, tracing, queues } = props;
    const workers = engine.fanOutWorkers ?? DEFAULT_SETTINGS.fanOutWorkers;
    const concurrency = engine.fanOutConcurrency ?? DEFAULT_SETTINGS.fanOutConcurrency;
    this.function = new RollupFunction(this, 'Steps', {
      ...props,
      feed: false,
      description: 'Plans, writes or commits a part of a large rollup',
      capacity: { ...capacity, reservedConcurrency: workers + BESIDE_WORKERS },
      engine: { ...engine, concurrency },
      entry: HANDLER,
    }).function;
    const logGroup = new LogGroup(this, 'Logs', {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    const definition = fanOutDefinition({
      functionArn: this.function.functionArn,
      batch: engine.fanOutBatch ?? DEFAULT_SETTINGS.fanOutBatch,
      timeoutSeconds: capacity.timeoutSeconds,
    });
    this.stateMachine = new StateMachine(this, 'StateMachine', {
      stateMachineName: stateMachineName(this),
      comment: 'Rolls large prefixes up',
      definitionBody: DefinitionBody.fromString(Stack.of(this).toJsonString(definition)),
      role: this.role(props).withoutPolicyUpdates(),
      logs: { destination: logGroup, level: LogLevel.ALL, includeExecutionData: false },
      tracingEnabled: tracing,
      timeout: Duration.days(1),
    });
    // The machine refers to the role, which has its policies inline: CloudFormation orders them without DependsOn.
    (this.stateMachine.node.defaultChild as CfnStateMachine).addDeletionOverride('DependsOn');
    if (!tracing)
      Validations.of(this.stateMachine).acknowledge({
        id: 'AwsSolutions-SF2',
        reason: 'X-Ray is a setting of the whole stack.',
      });
    new Rule(this, 'Failures', {
      description: 'A rollup that failed in the state machine is a dead letter, as any other',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: { status: ['FAILED', 'TIMED_OUT'], stateMachineArn: [this.stateMachine.stateMachineArn] },
      },
      targets: [new SqsQueue(queues.deadLetters)],
    });
  }

  private role({ aggregated, tracing }: FanOutProps): Role {
    const plans = aggregated.bucket.arnForObjects(`${aggregated.prefix}*_plan/*.items.jsonl`);
    const executions = `${stateMachineArn(this, 'execution')}/*`;
    const key = aggregated.bucket.encryptionKey;
    const statements = [
      new PolicyStatement({
        sid: 'InvokeSteps',
        actions: ['lambda:InvokeFunction'],
        resources: [this.function.functionArn],
      }),
      new PolicyStatement({ sid: 'ReadItems', actions: ['s3:GetObject'], resources: [plans] }),
      ...(key === undefined
        ? []
        : [
            new PolicyStatement({
              sid: 'DecryptItems',
              actions: ['kms:Decrypt'],
              resources: [key.keyArn],
              conditions: { StringEquals: { 'kms:ViaService': `s3.${Aws.REGION}.${Aws.URL_SUFFIX}` } },
            }),
          ]),
      // https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
      new PolicyStatement({
        sid: 'StartBatches',
        actions: ['states:StartExecution'],
        resources: [stateMachineArn(this)],
      }),
      new PolicyStatement({
        sid: 'FollowBatches',
        actions: ['states:DescribeExecution', 'states:StopExecution', 'states:RedriveExecution'],
        resources: [executions],
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
    const role = new Role(this, 'Role', {
      description: 'Carries out the steps of a large rollup',
      assumedBy: new ServicePrincipal('states.amazonaws.com', {
        // https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
        conditions: {
          StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
          ArnLike: { 'aws:SourceArn': stateMachineArn(this) },
        },
      }),
      inlinePolicies: { FanOut: new PolicyDocument({ statements }) },
    });
    const acknowledge = (resource: string, reason: string) => {
      const flat = flattenReference(Stack.of(this).resolve(resource));
      Validations.of(role).acknowledge({ id: `AwsSolutions-IAM5[Resource::${flat}]`, reason });
    };
    acknowledge(plans, 'Plans have ids of their own; reading is confined to the items of plans.');
    acknowledge(executions, 'Batches are executions whose names Step Functions makes.');
    acknowledge('*', 'Delivery of logs and X-Ray do not support permissions on resources.');
    return role;
  }
}

/** A name that is fixed beforehand, because the machine's role and the function that starts it refer to it. */
function stateMachineName(scope: Construct): string {
  return Names.uniqueResourceName(scope, { maxLength: 80, separator: '-' });
}

function stateMachineArn(scope: Construct, resource = 'stateMachine'): string {
  return Stack.of(scope).formatArn({
    service: 'states',
    resource,
    resourceName: stateMachineName(scope),
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}
