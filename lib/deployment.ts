import { ArnFormat, Aws, Duration, Stack, Validations } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import {
  type ILambdaDeploymentConfig,
  LambdaDeploymentConfig,
  LambdaDeploymentGroup,
  TimeBasedCanaryTrafficRouting,
} from 'aws-cdk-lib/aws-codedeploy';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Alias,
  type IFunction,
  type IVersion,
  type Function as LambdaFunction,
} from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { flattenReference } from './flatten-reference.ts';
import type { DeploymentKind } from './log-rollup-props.ts';

/** Share of the requests that go to the new version at first, in per cent: half, because there are few in an hour. */
const CANARY_PERCENTAGE = 50;
/** Each schedule is due once in it, and its runs of five minutes more have ended. */
const CANARY_INTERVAL = Duration.minutes(65);

/**
 * Makes an alias that CodeDeploy moves from version to version. If a run of the new version fails meanwhile, the alias goes
 * back, and the deployment of the stack with it.
 */
export function deployGradually(
  scope: Construct,
  id: string,
  lambda: LambdaFunction,
  kind: Exclude<DeploymentKind, 'off'>,
): IFunction {
  const own = new Construct(scope, id);
  // CDK declares `role` as possibly undefined here, and as optional there; so below.
  const version = lambda.currentVersion as IVersion;
  const alias = new Alias(own, 'Live', { aliasName: 'live', version });
  const failures = alias.metricErrors({ statistic: 'Sum', period: Duration.minutes(1) });
  // Two versions share the alias of a canary. Failures of the old one are no reason to go back to it:
  // https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics.html
  const ofVersion = { ...failures.dimensions, ExecutedVersion: version.version };
  const errors = new Alarm(own, 'Errors', {
    alarmDescription: 'A run failed while a new version takes over: CodeDeploy goes back to the old one.',
    metric: kind === 'canary' ? failures.with({ dimensionsMap: ofVersion }) : failures,
    threshold: 1,
    evaluationPeriods: 1,
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
  new LambdaDeploymentGroup(own, 'Group', {
    alias,
    alarms: [errors],
    deploymentConfig: kind === 'canary' ? canary(own) : LambdaDeploymentConfig.ALL_AT_ONCE,
    role: deploymentRole(own, lambda.functionArn).withoutPolicyUpdates(),
  });
  return alias as IFunction;
}

function canary(scope: Construct): ILambdaDeploymentConfig {
  return new LambdaDeploymentConfig(scope, 'Canary', {
    trafficRouting: new TimeBasedCanaryTrafficRouting({
      interval: CANARY_INTERVAL,
      percentage: CANARY_PERCENTAGE,
    }),
  });
}

/** The part of AWSCodeDeployRoleForLambdaLimited that is needed, for this function alone. */
function deploymentRole(scope: Construct, functionArn: string): Role {
  const alarms = Stack.of(scope).formatArn({
    service: 'cloudwatch',
    resource: 'alarm',
    resourceName: '*',
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  const role = new Role(scope, 'Role', {
    description: 'Moves the alias of the function to a new version, and back',
    assumedBy: new ServicePrincipal('codedeploy.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
    inlinePolicies: {
      Deploy: new PolicyDocument({
        statements: [
          new PolicyStatement({
            sid: 'MoveAlias',
            actions: ['lambda:GetAlias', 'lambda:UpdateAlias', 'lambda:GetProvisionedConcurrencyConfig'],
            resources: [functionArn, `${functionArn}:live`],
          }),
          new PolicyStatement({
            sid: 'LookAtAlarm',
            actions: ['cloudwatch:DescribeAlarms'],
            resources: [alarms],
          }),
        ],
      }),
    },
  });
  const flat = flattenReference(Stack.of(scope).resolve(alarms));
  Validations.of(role).acknowledge({
    id: `AwsSolutions-IAM5[Resource::${flat}]`,
    reason: 'CodeDeploy asks for the states of alarms by a list of their names, and reads nothing else.',
  });
  return role;
}
