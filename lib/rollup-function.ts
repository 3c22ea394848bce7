import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { Role } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Code,
  Runtime,
  Tracing,
  type CfnFunction,
  type IFunction,
} from 'aws-cdk-lib/aws-lambda';
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
import { deployGradually } from './deployment.ts';
import type { DeploymentKind, RootedStream, Surroundings } from './log-rollup-props.ts';
import { formatRoot, type Root } from './config/root.ts';

const PROJECT = join(import.meta.dirname, '..');
/** The handlers from whose TypeScript functions are bundled in this repository, by the folders that a package has in their place. */
const HANDLERS = {
  function: join(PROJECT, 'lambda', 'handler.ts'),
  steps: join(PROJECT, 'lambda', 'step-handler.ts'),
};

/** Properties of `RollupFunction`. */
export interface RollupFunctionProps extends Surroundings {
  readonly raw: Root;
  readonly aggregated: Root;
  /** The streams whose hours requests may be for. */
  readonly streams: readonly RootedStream[];
  readonly queues: RollupQueues;
  readonly capacity: Capacity;
  readonly logRetention: RetentionDays;
  /** Send traces to X-Ray. */
  readonly tracing: boolean;
  /** Value of the metrics' dimension `service`: no other deployment in the account has it. */
  readonly serviceName: string;
  /** Settings, which the function gets as variables. Its permissions follow from them. */
  readonly engine: Engine;
  /**
   * The function takes requests from the queue, and sends continuations there.
   *
   * @defaultValue true
   */
  readonly feed?: boolean | undefined;
  readonly description?: string | undefined;
  /** @defaultValue `off` */
  readonly deployment?: DeploymentKind | undefined;
  /** ARN of the state machine that it may start. */
  readonly stateMachineArn?: string | undefined;
  /**
   * Which of the package's functions it is.
   *
   * @defaultValue `function`
   */
  readonly bundle?: keyof typeof HANDLERS | undefined;
  /** File of a handler, which is bundled in place of the package's own code. */
  readonly entry?: string | undefined;
  /** Code that was bundled already, in place of `entry`. */
  readonly code?: Code | undefined;
  /**
   * The handler in `code`.
   *
   * @defaultValue `index.handler`
   */
  readonly handler?: string | undefined;
}

/** The function, its log group, and the event source that gives it requests from the queue. */
export class RollupFunction extends Construct {
  readonly function: NodejsFunction;
  /** What is invoked: the function, or the alias of the version in use. */
  readonly live: IFunction;
  readonly logGroup: LogGroup;
  /** Buckets and keys of other accounts must admit it. */
  readonly role: Role;

  constructor(scope: Construct, id: string, props: RollupFunctionProps) {
    super(scope, id);
    const { capacity, queues, feed = true, stateMachineArn, deployment = 'off' } = props;
    this.logGroup = new LogGroup(this, 'Logs', {
      ...(props.encryptionKey === undefined ? {} : { encryptionKey: props.encryptionKey }),
      retention: props.logRetention,
      // Kept, but for one that a failed first deployment made.
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    });
    this.role = createFunctionRole(this, 'Role', { ...props, feed, logGroup: this.logGroup });
    const code = codeOf(props);
    if ('entry' in code && Stack.of(this).bundlingRequired) refuseWithoutEsbuild();
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
      ...proxyVariables(props.proxy),
    };
    refuseTooMuchEnvironment(environment);
    this.function = new NodejsFunction(this, 'Function', {
      description: props.description ?? 'Rolls an hour of raw logs up into 32 MiB outputs',
      role: this.role.withoutPolicyUpdates(),
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: capacity.memorySize,
      timeout: Duration.seconds(capacity.timeoutSeconds),
      reservedConcurrentExecutions: capacity.reservedConcurrency,
      logGroup: this.logGroup,
      tracing: props.tracing ? Tracing.ACTIVE : Tracing.DISABLED,
      deadLetterQueue: queues.undelivered,
      environment,
      ...networkOf(props),
      ...(props.encryptionKey === undefined ? {} : { environmentEncryption: props.encryptionKey }),
      ...code,
    });
    // The function refers to the role, which has its policies inline: CloudFormation orders them without DependsOn.
    (this.function.node.defaultChild as CfnFunction).addDeletionOverride('DependsOn');
    this.live =
      deployment === 'off' ? this.function : deployGradually(this, 'Deployment', this.function, deployment);
    if (!feed) return;
    this.live.addEventSource(
      new SqsEventSource(queues.requests, {
        batchSize: 1,
        maxConcurrency: queueConcurrency(capacity),
        // A batch of one fails by throwing: a reported item failure would not count in the Errors metric.
        reportBatchItemFailures: false,
      }),
    );
  }
}

function networkOf({ vpc, vpcSubnets, securityGroups }: Surroundings) {
  if (vpc === undefined) return {};
  return {
    vpc,
    ...(vpcSubnets === undefined ? {} : { vpcSubnets }),
    ...(securityGroups === undefined ? {} : { securityGroups }),
  };
}

function proxyVariables(proxy: Surroundings['proxy']): Record<string, string> {
  if (proxy === undefined) return {};
  return {
    HTTPS_PROXY: proxy.url,
    HTTP_PROXY: proxy.url,
    ...(proxy.except === undefined ? {} : { NO_PROXY: proxy.except }),
  };
}

/** Properties that say what a function runs: code that is bundled already, or its TypeScript. */
function codeOf({ code, handler = 'index.handler', entry, bundle = 'function' }: RollupFunctionProps) {
  if (code !== undefined) return { code, handler };
  if (entry !== undefined) return bundled(entry);
  // Beside this file in the package, and nowhere in the repository.
  const prebundled = join(import.meta.dirname, bundle);
  if (existsSync(join(prebundled, 'index.mjs')))
    return { code: Code.fromAsset(prebundled), handler: 'index.handler' };
  return bundled(HANDLERS[bundle]);
}

/** Properties of a function that esbuild bundles from its TypeScript. */
function bundled(entry: string) {
  const lockFile = join(PROJECT, 'package-lock.json');
  const bundling: BundlingOptions = {
    format: OutputFormat.ESM,
    target: 'node24',
    minify: true,
    sourceMap: true,
    // Node parses the source map at every cold start. A stack trace needs lines and names, not the sources.
    sourcesContent: false,
    mainFields: ['module', 'main'],
    // The versions that were tested, and not those of the runtime, which change.
    bundleAwsSDK: true,
    // CommonJS packages in an ES module still call require() for Node's own modules.
    banner:
      'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
  };
  // As a dependency of another app this package has no lock file: CDK then finds that of the app.
  return {
    entry,
    bundling,
    ...(existsSync(lockFile) ? { projectRoot: PROJECT, depsLockFilePath: lockFile } : {}),
  };
}

/** Throws `InvalidConfiguration` without a local esbuild: CDK would use Docker without asking. */
function refuseWithoutEsbuild(): void {
  try {
    createRequire(import.meta.url).resolve('esbuild');
  } catch (cause) {
    throw new InvalidConfiguration('The function cannot be bundled', [
      `esbuild is not installed: run "npm ci" (${String(cause)})`,
    ]);
  }
}
