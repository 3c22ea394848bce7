import { Aws, Stack, Validations } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Engine } from './config/engine.ts';
import { flattenReference } from './flatten-reference.ts';
import type { RollupQueues } from './queues.ts';
import type { Root } from './config/root.ts';

/** Properties of `createFunctionRole`. */
export interface AccessProps {
  readonly raw: Root;
  readonly aggregated: Root;
  readonly queues: RollupQueues;
  readonly logGroup: ILogGroup;
  /** Send traces to X-Ray. */
  readonly tracing: boolean;
  readonly engine: Engine;
  /** The function takes requests from the queue, and sends continuations there. */
  readonly feed: boolean;
  /** The function runs in a VPC. */
  readonly vpc?: object | undefined;
  /** Key of the queues and of the function's variables. */
  readonly encryptionKey?: IKey | undefined;
  /** ARN of the state machine that it may start. */
  readonly stateMachineArn?: string | undefined;
}

/**
 * Creates the function's role with all of its permissions, written out here: CDK's grants would give it whole buckets. Give
 * other constructs `role.withoutPolicyUpdates()`, which drops the grants that they would add.
 */
export function createFunctionRole(scope: Construct, id: string, props: AccessProps): Role {
  const { sourceRoleArn, destinationRoleArn } = props.engine;
  const statements = [
    ...(sourceRoleArn === undefined ? readRaw(props) : []),
    ...(destinationRoleArn === undefined ? writeAggregated(props) : []),
    ...assumeRoles(props.engine),
    ...useStackKey(props.encryptionKey),
    ...queueStatements(props),
    new PolicyStatement({
      sid: 'WriteLogs',
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [props.logGroup.logGroupArn],
    }),
  ];
  if (props.tracing) {
    statements.push(
      new PolicyStatement({
        sid: 'WriteTraces',
        // X-Ray has no resources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
        actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
        resources: ['*'],
      }),
    );
  }
  if (props.vpc !== undefined) {
    statements.push(
      new PolicyStatement({
        sid: 'AttachToVpc',
        // https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions: no resources.
        actions: [
          'ec2:AssignPrivateIpAddresses',
          'ec2:CreateNetworkInterface',
          'ec2:DeleteNetworkInterface',
          'ec2:DescribeNetworkInterfaces',
          'ec2:DescribeSubnets',
          'ec2:UnassignPrivateIpAddresses',
        ],
        resources: ['*'],
      }),
    );
  }
  const role = new Role(scope, id, {
    description: 'Reads raw logs, writes their rollup',
    assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    inlinePolicies: { Rollup: new PolicyDocument({ statements }) },
  });
  acknowledgeObjectWildcards(role, props);
  return role;
}

/** Permission to assume the roles of source and destination. Access to the bucket is then the role's to have. */
function assumeRoles({ sourceRoleArn, destinationRoleArn }: Engine): PolicyStatement[] {
  const roles = [sourceRoleArn, destinationRoleArn].filter((arn) => arn !== undefined);
  if (roles.length === 0) return [];
  return [
    new PolicyStatement({
      sid: 'AssumeRoles',
      actions: ['sts:AssumeRole'],
      resources: [...new Set(roles)],
    }),
  ];
}

function readRaw(props: AccessProps): PolicyStatement[] {
  const { raw, engine } = props;
  return [
    listUnder('ListRaw', raw),
    new PolicyStatement({ sid: 'ReadRaw', actions: ['s3:GetObject'], resources: [objectsUnder(raw)] }),
    ...(engine.deleteSource === true ? [deleteRaw(raw), ...tryDeletesOut(props)] : []),
    ...keyStatement('DecryptRaw', raw.bucket.encryptionKey, ['kms:Decrypt'], engine.sourceRegion),
  ];
}

function deleteRaw(raw: Root): PolicyStatement {
  return new PolicyStatement({
    sid: 'DeleteRaw',
    actions: ['s3:DeleteObject'],
    resources: [objectsUnder(raw)],
  });
}

/**
 * Permission to write the object with which conditional deletes are tried out. Where source and destination are both on
 * Amazon S3 that object is written in the destination.
 */
function tryDeletesOut(props: AccessProps): PolicyStatement[] {
  if (!triesDeletesInRaw(props)) return [];
  const resources = [deleteProofs(props)];
  return [new PolicyStatement({ sid: 'TryDeletesOut', actions: ['s3:PutObject'], resources })];
}

function triesDeletesInRaw({ engine }: AccessProps): boolean {
  const { deleteSource, sourceEndpointUrl, destinationEndpointUrl } = engine;
  return deleteSource === true && sourceEndpointUrl !== destinationEndpointUrl;
}

/** The objects whose names begin as `DELETE_PROOF_NAME` of the engine's model says. */
function deleteProofs({ raw: { bucket, prefix } }: AccessProps): string {
  return bucket.arnForObjects(`${prefix}*_delete-proof-*`);
}

function writeAggregated({ aggregated, engine }: AccessProps): PolicyStatement[] {
  const { encryptionKey } = aggregated.bucket;
  const { tags, acl, kmsKeyId, destinationRegion } = engine;
  // A multipart upload needs to decrypt as well.
  const encrypt = ['kms:Decrypt', 'kms:GenerateDataKey'];
  return [
    listUnder('ListAggregated', aggregated),
    new PolicyStatement({
      sid: 'ListUploads',
      // S3 has no condition on the prefix for this action. It shows keys of unfinished uploads, and nothing else.
      actions: ['s3:ListBucketMultipartUploads'],
      resources: [aggregated.bucket.bucketArn],
    }),
    new PolicyStatement({
      sid: 'WriteAggregated',
      actions: [
        's3:GetObject',
        's3:PutObject',
        's3:DeleteObject',
        's3:AbortMultipartUpload',
        's3:ListMultipartUploadParts',
        ...(tags === undefined ? [] : ['s3:PutObjectTagging']),
        ...(acl === undefined ? [] : ['s3:PutObjectAcl']),
      ],
      resources: [objectsUnder(aggregated)],
    }),
    ...keyStatement('EncryptAggregated', encryptionKey, encrypt, destinationRegion),
    ...(kmsKeyId === encryptionKey?.keyArn
      ? []
      : keyStatement('EncryptOutputs', kmsKeyId, encrypt, destinationRegion)),
  ];
}

function listUnder(sid: string, { bucket, prefix }: Root): PolicyStatement {
  return new PolicyStatement({
    sid,
    actions: ['s3:ListBucket'],
    resources: [bucket.bucketArn],
    conditions: { StringLike: { 's3:prefix': `${prefix}*` } },
  });
}

/** Permission to use a KMS key by way of S3 alone; none where there is no key. */
function keyStatement(
  sid: string,
  key: IKey | string | undefined,
  actions: string[],
  region: string = Aws.REGION,
): PolicyStatement[] {
  if (key === undefined) return [];
  const resource = typeof key === 'string' ? key : key.keyArn;
  const conditions = { StringEquals: { 'kms:ViaService': `s3.${region}.${Aws.URL_SUFFIX}` } };
  return [new PolicyStatement({ sid, actions, resources: [resource], conditions })];
}

function queueStatements({
  queues: { requests, undelivered },
  feed,
  stateMachineArn,
}: AccessProps): PolicyStatement[] {
  const keepFailures = new PolicyStatement({
    sid: 'KeepFailedInvocations',
    actions: ['sqs:SendMessage'],
    resources: [undelivered.queueArn],
  });
  if (!feed) return [keepFailures];
  return [
    new PolicyStatement({
      sid: 'TakeRequests',
      actions: [
        'sqs:ReceiveMessage',
        'sqs:ChangeMessageVisibility',
        'sqs:DeleteMessage',
        'sqs:GetQueueAttributes',
      ],
      resources: [requests.queueArn],
    }),
    new PolicyStatement({ sid: 'Continue', actions: ['sqs:SendMessage'], resources: [requests.queueArn] }),
    keepFailures,
    ...(stateMachineArn === undefined
      ? []
      : [
          new PolicyStatement({
            sid: 'HandOver',
            actions: ['states:StartExecution'],
            resources: [stateMachineArn],
          }),
        ]),
  ];
}

function objectsUnder({ bucket, prefix }: Root): string {
  return bucket.arnForObjects(`${prefix}*`);
}

/** Permission to use the key of queues and variables, by way of SQS and of Lambda alone. */
export function useStackKey(
  key: IKey | undefined,
  services: string[] = ['sqs', 'lambda'],
): PolicyStatement[] {
  if (key === undefined) return [];
  return [
    new PolicyStatement({
      sid: 'UseStackKey',
      actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
      resources: [key.keyArn],
      conditions: {
        StringEquals: {
          'kms:ViaService': services.map((service) => `${service}.${Aws.REGION}.${Aws.URL_SUFFIX}`),
        },
      },
    }),
  ];
}

/** Gives cdk-nag the reasons for the wildcards in resources. */
function acknowledgeObjectWildcards(role: Role, props: AccessProps): void {
  const { raw, aggregated, tracing, engine, vpc } = props;
  const acknowledge = (resource: string, reason: string) => {
    const flat = flattenReference(Stack.of(role).resolve(resource));
    Validations.of(role).acknowledge({ id: `AwsSolutions-IAM5[Resource::${flat}]`, reason });
  };
  if (engine.sourceRoleArn === undefined) {
    acknowledge(
      objectsUnder(raw),
      'Keys of raw logs are not known beforehand; what may be done to them is confined to the raw root.',
    );
    if (triesDeletesInRaw(props)) {
      acknowledge(
        deleteProofs(props),
        'The object that conditional deletes are tried out with lies in any hour.',
      );
    }
  }
  if (engine.destinationRoleArn === undefined) {
    acknowledge(
      objectsUnder(aggregated),
      'Keys of outputs are digests of what is in them; writing is confined to the aggregated root.',
    );
  }
  if (tracing && vpc === undefined) acknowledge('*', 'X-Ray does not support permissions on resources.');
  if (vpc !== undefined)
    acknowledge('*', 'Network interfaces, and X-Ray, do not support permissions on resources.');
}
