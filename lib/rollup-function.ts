import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { Code } from 'aws-cdk-lib/aws-lambda';
import { Architecture, Runtime, Tracing, type CfnFunction } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { NodejsFunction, OutputFormat, type BundlingOptions } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { ENV, METRICS } from '../lambda/names.ts';
import { createFunctionRole } from './access.ts';
import { refuseTooMuchEnvironment, streamsVariable } from './function-environment.ts';
import { queueConcurrency, type Capacity } from './config/capacity.ts';
import { engineEnvironment, type Engine } from './config/engine.ts';
import { InvalidConfiguration } from './config/invalid-configuration.ts';
import type { RollupQueues } from './queues.ts';
import type { RootedStream } from './log-rollup-props.ts';
import { formatRoot, type Root } from './config/root.ts';

const PROJECT = join(import.meta.dirname, '..');
const HANDLER = join(PROJECT, 'lambda', 'handler.ts');

export interface RollupFunctionProps {
  readonly raw: Root;
  readonly aggregated: Root;
  /** What requests may be for. */
  readonly streams: readonly RootedStream[];
  readonly queues: RollupQueues;
  readonly capacity: Capacity;
  readonly logRetention: RetentionDays;
  readonly tracing: boolean;
  /** The `service` dimension of its metrics: what tells this deployment from another in the account. */
  readonly serviceName: string;
  /** Handed to the function as variables; it also decides what the function may do. */
  readonly engine: Engine;
  /** Whether the queue feeds it, and takes its continuations. Default: it does. */
  readonly feed?: boolean | undefined;
  readonly description?: string | undefined;
  /** Of the state machine that it may start. */
  readonly stateMachineArn?: string | undefined;
  readonly entry?: string | undefined;
  readonly code?: Code | undefined;
}

/** The function, the log group that it writes to, and the event source that feeds it from the queue. */
export class RollupFunction extends Construct {
  readonly function: NodejsFunction;
  readonly logGroup: LogGroup;

  constructor(scope: Construct, id: string, props: RollupFunctionProps) {
    super(scope, id);
    const { capacity, queues, feed = true, stateMachineArn } = props;
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    const role = createFunctionRole(this, 'Role', { ...props, feed, logGroup: this.logGroup });
    if (props.code === undefined && Stack.of(this).bundlingRequired) refuseWithoutEsbuild();
    const environment = {
      NODE_OPTIONS: '--enable-source-maps',
      POWERTOOLS_SERVICE_NAME: props.serviceName,
      POWERTOOLS_METRICS_NAMESPACE: METRICS.namespace,
      [ENV.rawRoot]: formatRoot(props.raw),
      [ENV.aggregatedRoot]: formatRoot(props.aggregated),
      [ENV.streams]: streamsVariable(props.streams),
      ...(feed ? { [ENV.queueUrl]: queues.requests.queueUrl } : {}),
      ...(stateMachineArn === undefined ? {} : { [ENV.stateMachineArn]: stateMachineArn }),
      ...engineEnvironment(props.engine),
    };
    refuseTooMuchEnvironment(environment);
    this.function = new NodejsFunction(this, 'Function', {
      description: props.description ?? 'Rolls an hour of raw logs up into 32 MiB outputs',
      role: role.withoutPolicyUpdates(),
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: capacity.memorySize,
      timeout: Duration.seconds(capacity.timeoutSeconds),
      reservedConcurrentExecutions: capacity.reservedConcurrency,
      logGroup: this.logGroup,
      tracing: props.tracing ? Tracing.ACTIVE : Tracing.DISABLED,
      deadLetterQueue: queues.undelivered,
      environment,
      ...(props.code === undefined ? bundled(props.entry) : { code: props.code, handler: 'index.handler' }),
    });
    // The role carries its policies inline and is named by the function: the order is clear without.
    (this.function.node.defaultChild as CfnFunction).addDeletionOverride('DependsOn');
    if (!feed) return;
    this.function.addEventSource(
      new SqsEventSource(queues.requests, {
        batchSize: 1,
        maxConcurrency: queueConcurrency(capacity),
        // A batch of one fails by throwing: a reported item failure would not count in the Errors metric.
        reportBatchItemFailures: false,
      }),
    );
  }
}

function bundled(entry: string = HANDLER) {
  const lockFile = join(PROJECT, 'package-lock.json');
  const bundling: BundlingOptions = {
    format: OutputFormat.ESM,
    target: 'node24',
    minify: true,
    sourceMap: true,
    // Node parses the map at every cold start: lines and names suffice for a stack trace.
    sourcesContent: false,
    mainFields: ['module', 'main'],
    // The versions that were tested, not those that the runtime has that day.
    bundleAwsSDK: true,
    // CommonJS packages in an ES module still call require() for Node's own modules.
    banner:
      'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
  };
  // Installed as somebody's dependency there is no lock file here: CDK then finds that of the app.
  return {
    entry,
    bundling,
    ...(existsSync(lockFile) ? { projectRoot: PROJECT, depsLockFilePath: lockFile } : {}),
  };
}

/** Without a local esbuild, CDK would turn to Docker without asking. */
function refuseWithoutEsbuild(): void {
  try {
    createRequire(import.meta.url).resolve('esbuild');
  } catch (cause) {
    throw new InvalidConfiguration('The function cannot be bundled', [
      `esbuild is not installed: run "npm ci" (${String(cause)})`,
    ]);
  }
}
