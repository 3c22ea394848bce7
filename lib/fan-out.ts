import { ArnFormat, Aws, Fn, Names, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import type { Role } from 'aws-cdk-lib/aws-iam';
import type { Code, IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { type CfnStateMachine, DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { DEFAULT_SETTINGS } from '../lambda/settings/settings.ts';
import { fanOutDefinition } from './fan-out-definition.ts';
import { createStateMachineRole } from './fan-out-role.ts';
import { RollupFunction, type RollupFunctionProps } from './rollup-function.ts';

/** Concurrency for plan and commit of other hours, while the workers of one hour write. */
const BESIDE_WORKERS = 2;

/** Properties of `FanOut`: those of the function, which is the same code with another handler. */
export interface FanOutProps extends Omit<
  RollupFunctionProps,
  'feed' | 'stateMachineArn' | 'description' | 'entry' | 'handler' | 'deployment' | 'bundle'
> {
  /** Code of the steps alone, whose handler is `index.handler`. */
  readonly stepsCode?: Code | undefined;
}

/** The state machine that large requests are dispatched to, and the function that carries out its steps. */
export class FanOut extends Construct {
  readonly stateMachine: StateMachine;
  readonly function: IFunction;
  /** The role of the function, which buckets and keys of other accounts must admit. */
  readonly functionRole: Role;
  /** The role of the state machine: it reads the items of plans. */
  readonly role: Role;

  constructor(scope: Construct, id: string, props: FanOutProps) {
    super(scope, id);
    const { engine, capacity, tracing, queues } = props;
    const workers = engine.fanOutWorkers ?? DEFAULT_SETTINGS.fanOutWorkers;
    const concurrency = engine.fanOutConcurrency ?? DEFAULT_SETTINGS.fanOutConcurrency;
    const steps = new RollupFunction(this, 'Steps', {
      ...props,
      feed: false,
      description: 'Plans, writes or commits a part of a large rollup',
      capacity: { ...capacity, reservedConcurrency: workers + BESIDE_WORKERS },
      engine: { ...engine, concurrency },
      code: props.stepsCode ?? props.code,
      handler: props.stepsCode === undefined ? 'steps.handler' : 'index.handler',
      bundle: 'steps',
    });
    this.function = steps.function;
    this.functionRole = steps.role;
    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName: logGroupName(this),
      ...(props.encryptionKey === undefined ? {} : { encryptionKey: props.encryptionKey }),
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    });
    const definition = fanOutDefinition({
      functionArn: this.function.functionArn,
      batch: engine.fanOutBatch ?? DEFAULT_SETTINGS.fanOutBatch,
      timeoutSeconds: capacity.timeoutSeconds,
    });
    const machine = stateMachineName(this);
    this.role = createStateMachineRole(this, 'Role', {
      ...props,
      stepsArn: this.function.functionArn,
      stateMachineArn: stateMachineArn(this, 'stateMachine'),
      executionsArn: stateMachineArn(this, 'execution'),
    });
    this.stateMachine = new StateMachine(this, 'StateMachine', {
      stateMachineName: machine,
      definitionBody: DefinitionBody.fromString(Stack.of(this).toJsonString(definition)),
      role: this.role.withoutPolicyUpdates(),
      logs: { destination: logGroup, level: LogLevel.ALL, includeExecutionData: false },
      tracingEnabled: tracing,
    });
    // The machine refers to the role, which has its policies inline: CloudFormation orders them without DependsOn.
    (this.stateMachine.node.defaultChild as CfnStateMachine).addDeletionOverride('DependsOn');
    if (!tracing)
      Validations.of(this.stateMachine).acknowledge({
        id: 'AwsSolutions-SF2',
        reason: 'X-Ray is a setting of the whole stack.',
      });
    new Rule(this, 'Failures', {
      description: 'A rollup that failed or was stopped in the state machine is a dead letter, as any other',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: {
          status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
          stateMachineArn: [this.stateMachine.stateMachineArn],
        },
      },
      targets: [new SqsQueue(queues.deadLetters, { deadLetterQueue: queues.undelivered })],
    });
  }
}

/** A name that is fixed beforehand, because the machine's role and the function that starts it refer to it. */
function stateMachineName(scope: Construct): string {
  return Names.uniqueResourceName(scope, { maxLength: 80, separator: '-' });
}

/**
 * The name of the machine's log group. Under this prefix all machines of an account share one statement of the resource policy
 * of CloudWatch Logs, which has room for some ten: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html. The id
 * of the stack is in it, because the group stays when the stack is removed.
 */
function logGroupName(scope: Construct): string {
  const stackUuid = Fn.select(2, Fn.split('/', Aws.STACK_ID));
  return `/aws/vendedlogs/states/${stateMachineName(scope)}-${stackUuid}`;
}

function stateMachineArn(scope: Construct, resource: 'stateMachine' | 'execution'): string {
  return Stack.of(scope).formatArn({
    service: 'states',
    resource,
    resourceName: stateMachineName(scope),
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}
