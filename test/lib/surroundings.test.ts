import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { STACK_OUTPUTS } from '../../lambda/names.ts';
import { parseContext } from '../../lib/config/context.ts';
import { InvalidConfiguration } from '../../lib/config/invalid-configuration.ts';
import { flattenReference } from '../../lib/flatten-reference.ts';
import { page } from './markdown.ts';
import { VARIANTS, synthesize } from './synthesis.ts';
import { onlyResource, resources, roleStatements } from './template.ts';

const functions = (context: Record<string, unknown> | undefined) =>
  Object.entries(resources(synthesize(context), 'AWS::Lambda::Function'));

const KEY = 'arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555';

function problems(context: Record<string, unknown>, region?: string): readonly string[] {
  try {
    parseContext(context, undefined, region);
  } catch (error) {
    if (error instanceof InvalidConfiguration) return error.problems;
    throw error;
  }
  return [];
}

describe('in a VPC', () => {
  const template = synthesize(VARIANTS['a VPC']);
  const subnets = VARIANTS['a VPC']?.['subnetIds'];

  it('the function is in the subnets, with a security group that lets nothing in', () => {
    const { Properties, id } = onlyResource(template, 'AWS::EC2::SecurityGroup');
    expect(Properties).toMatchObject({
      VpcId: 'vpc-0123456789abcdef0',
      SecurityGroupEgress: [{ CidrIp: '0.0.0.0/0', IpProtocol: '-1' }],
    });
    expect(Properties).not.toHaveProperty('SecurityGroupIngress');
    expect(onlyResource(template, 'AWS::Lambda::Function').Properties['VpcConfig']).toEqual({
      SubnetIds: subnets,
      SecurityGroupIds: [{ 'Fn::GetAtt': [id, 'GroupId'] }],
    });
  });

  it('both functions are, in the security groups that are given, and no other is created', () => {
    const context = VARIANTS['a VPC with fan-out and security groups'];
    synthesize(context).resourceCountIs('AWS::EC2::SecurityGroup', 0);
    for (const [, { Properties }] of functions(context))
      expect(Properties['VpcConfig']).toEqual({
        SubnetIds: subnets,
        SecurityGroupIds: ['sg-0123456789abcdef0'],
      });
  });

  it('the role may make network interfaces, and only there', () => {
    const attaches = (context: Record<string, unknown> | undefined) =>
      roleStatements(synthesize(context)).filter(({ Sid }) => Sid === 'AttachToVpc');
    expect(attaches(VARIANTS['a VPC'])).toMatchObject([
      { Action: expect.arrayContaining(['ec2:CreateNetworkInterface']) as unknown, Resource: '*' },
    ]);
    expect(attaches({})).toEqual([]);
  });

  it('the functions are told of the proxy', () => {
    for (const name of ['a VPC', 'a VPC with fan-out and security groups'])
      for (const [, { Properties }] of functions(VARIANTS[name]))
        expect(Properties['Environment']).toMatchObject({
          Variables: {
            HTTPS_PROXY: 'http://proxy.example.com:3128',
            HTTP_PROXY: 'http://proxy.example.com:3128',
            NO_PROXY: '.amazonaws.com',
          },
        });
  });
});

describe('over access points', () => {
  it('the function may use exactly those, and their objects under the roots', () => {
    const template = synthesize(VARIANTS['access points']);
    const raw = 'arn:aws:s3:eu-central-1:444455556666:accesspoint/raw-logs';
    const rollups = 'arn:aws:s3:eu-central-1:111122223333:accesspoint/rollups';
    const allowed = Object.fromEntries(roleStatements(template).map(({ Sid, Resource }) => [Sid, Resource]));
    expect(allowed).toMatchObject({
      ListRaw: raw,
      ReadRaw: `${raw}/object/raw/*`,
      ListAggregated: rollups,
      ListUploads: rollups,
      WriteAggregated: `${rollups}/object/aggregated/*`,
    });
    template.resourceCountIs('AWS::S3::Bucket', 0);
    expect(onlyResource(template, 'AWS::Lambda::Function').Properties['Environment']).toMatchObject({
      Variables: { RAW_ROOT: `s3://${raw}/raw/`, AGGREGATED_ROOT: `s3://${rollups}/aggregated/` },
    });
  });
});

describe('with a key of the customer', () => {
  const context = VARIANTS['a key of the customer'];
  const template = synthesize(context);
  const key = context?.['kmsKeyArn'];

  it('queues, log groups, topic and variables are encrypted with it', () => {
    const all = (type: string, property: string) =>
      Object.values(resources(template, type)).map(({ Properties }) => Properties[property]);
    expect(all('AWS::SQS::Queue', 'KmsMasterKeyId')).toEqual([key, key, key]);
    expect(all('AWS::SQS::Queue', 'SqsManagedSseEnabled')).toEqual([undefined, undefined, undefined]);
    expect(all('AWS::Logs::LogGroup', 'KmsKeyId')).toEqual([key, key, key]);
    expect(all('AWS::SNS::Topic', 'KmsMasterKeyId').map(flattenReference)).toEqual([key]);
    expect(all('AWS::Lambda::Function', 'KmsKeyArn')).toEqual([key, key]);
  });

  it('the roles of the functions and of the schedules may use it, by way of SQS and Lambda', () => {
    const uses = roleStatements(template).filter(({ Sid }) => Sid === 'UseStackKey');
    expect(uses.map(({ Resource }) => Resource)).toEqual([key, key, key]);
    expect(uses.map(({ Condition }) => JSON.stringify(Condition).match(/sqs\.|lambda\./g))).toEqual(
      expect.arrayContaining([['sqs.', 'lambda.'], ['sqs.', 'lambda.'], ['sqs.']]) as unknown,
    );
    // The buckets have encryption of their own.
    expect(JSON.stringify(resources(template, 'AWS::S3::Bucket'))).not.toContain(String(key));
  });
});

describe("the page's policy for a key of the customer", () => {
  it('admits EventBridge without a condition, and CloudWatch for the account alone', () => {
    const [, text = ''] = /admitted by the key's policy:\n\n((?: {4}.*\n)+)/.exec(page('deploy.md')) ?? [];
    const statements = z
      .array(
        z.object({ Principal: z.object({ Service: z.string() }), Condition: z.unknown().optional() }).loose(),
      )
      .parse(JSON.parse(`[${text}]`));
    const of = (service: string) => statements.filter(({ Principal }) => Principal.Service === service);
    // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
    expect(of('events.amazonaws.com')).toEqual([
      expect.not.objectContaining({ Condition: expect.anything() as unknown }),
    ]);
    expect(of('cloudwatch.amazonaws.com')).toMatchObject([
      { Condition: { StringEquals: { 'aws:SourceAccount': "<the stack's account>" } } },
    ]);
  });
});

describe('with a gradual deployment', () => {
  const template = synthesize(VARIANTS['a canary']);
  const alias = onlyResource(template, 'AWS::Lambda::Alias');

  it('CodeDeploy moves an alias, and goes back if a run of it fails', () => {
    const { Properties } = onlyResource(template, 'AWS::CodeDeploy::DeploymentGroup');
    expect(Properties).toMatchObject({
      AutoRollbackConfiguration: {
        Enabled: true,
        Events: expect.arrayContaining(['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_ALARM']) as unknown,
      },
      AlarmConfiguration: { Enabled: true },
    });
    const [alarm] = Object.entries(resources(template, 'AWS::CloudWatch::Alarm')).filter(([id]) =>
      id.includes('Deployment'),
    );
    expect(JSON.stringify(Properties['AlarmConfiguration'])).toContain(alarm?.[0]);
    expect(alarm?.[1].Properties).toMatchObject({ MetricName: 'Errors', Threshold: 1, Period: 60 });
    // https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics.html: failures of the old version are none of the new one's.
    const dimensions = alarm?.[1].Properties['Dimensions'] as { Name: string; Value: unknown }[];
    expect(dimensions.map(({ Name }) => Name).sort()).toEqual([
      'ExecutedVersion',
      'FunctionName',
      'Resource',
    ]);
    const [version] = Object.keys(resources(template, 'AWS::Lambda::Version'));
    expect(dimensions.find(({ Name }) => Name === 'ExecutedVersion')?.Value).toEqual({
      'Fn::GetAtt': [version, 'Version'],
    });
    expect(JSON.stringify(dimensions)).toContain(':live');
    expect(onlyResource(template, 'AWS::CodeDeploy::DeploymentConfig').Properties).toMatchObject({
      TrafficRoutingConfig: {
        Type: 'TimeBasedCanary',
        TimeBasedCanary: { CanaryInterval: 65, CanaryPercentage: 50 },
      },
    });
    expect(JSON.stringify(alias)).toContain('CodeDeployLambdaAliasUpdate');
  });

  it('queue and command line invoke the alias', () => {
    const source = onlyResource(template, 'AWS::Lambda::EventSourceMapping');
    expect(JSON.stringify(source.Properties['FunctionName'])).toContain(alias.id);
    expect(
      JSON.stringify(template.findOutputs(STACK_OUTPUTS.functionName)[STACK_OUTPUTS.functionName]),
    ).toContain(alias.id);
  });

  it('is off by default, and all at once where that is asked for', () => {
    synthesize({}).resourceCountIs('AWS::Lambda::Alias', 0);
    synthesize({}).resourceCountIs('AWS::CodeDeploy::DeploymentGroup', 0);
    const { Properties } = onlyResource(
      synthesize(VARIANTS['a deployment all at once']),
      'AWS::CodeDeploy::DeploymentGroup',
    );
    expect(Properties['DeploymentConfigName']).toBe('CodeDeployDefault.LambdaAllAtOnce');
    // No weights, and so nothing by version: the alarm looks at the alias.
    const [alarm] = Object.entries(
      resources(synthesize(VARIANTS['a deployment all at once']), 'AWS::CloudWatch::Alarm'),
    ).filter(([id]) => id.includes('Deployment'));
    expect(JSON.stringify(alarm?.[1].Properties['Dimensions'])).not.toContain('ExecutedVersion');
  });
});

describe('the alarm that pages', () => {
  const MANY = {
    stackName: 'S'.repeat(64),
    rawBucketName: 'application-logs',
    streams: Array.from({ length: 100 }, (_, i) => ({ name: `${i}-${'x'.repeat(40)}`.slice(0, 40) })),
    pageTopicArn: 'arn:aws:sns:eu-central-1:111122223333:pager',
  };

  const composites = (context: Record<string, unknown> | undefined) =>
    Object.entries(resources(synthesize(context), 'AWS::CloudWatch::CompositeAlarm'));
  const children = (rule: unknown) => flattenReference(rule).match(/ALARM\(/g)?.length;

  it('stands for every alarm which means that an hour was not rolled up', () => {
    const [alarm] = composites({});
    const Properties = alarm?.[1].Properties ?? {};
    const rule = flattenReference(Properties['AlarmRule']);
    for (const id of ['DeadLetters', 'Undelivered', 'LoopsStopped', 'NoHourCommitteddefault'])
      expect(rule).toMatch(new RegExp(`ALARM\\("<RollupAlarms${id}\\w+\\.Arn>"\\)`));
    expect(children(Properties['AlarmRule'])).toBe(4);
    expect(Properties['AlarmActions']).toBeUndefined();
  });

  it('stands for executions that failed, timed out or were stopped', () => {
    const rule = composites(VARIANTS['fan-out']).map(([, { Properties }]) =>
      flattenReference(Properties['AlarmRule']),
    );
    for (const id of ['ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted'])
      expect(rule.join()).toMatch(new RegExp(`ALARM\\("<RollupAlarms${id}\\w+\\.Arn>"\\)`));
  });

  it('notifies the topic for it alone, and looks at some of many alarms at a time, because a rule is short', () => {
    const all = composites(MANY);
    const pager = [MANY.pageTopicArn];
    const shown = all.map(([id, { Properties }]) => ({
      id: id.replace(/^RollupAlarms/, '').replace(/[0-9A-F]{8}$/, ''),
      children: children(Properties['AlarmRule']),
      actions: Properties['AlarmActions'],
    }));
    expect(shown).toEqual([
      { id: 'HourNotRolledUp1', children: 45 },
      { id: 'HourNotRolledUp2', children: 45 },
      { id: 'HourNotRolledUp3', children: 13 },
      { id: 'HourNotRolledUp', children: 3, actions: pager },
    ]);
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html, with the longest names.
    for (const [, { Properties }] of all) {
      const rule = flattenReference(Properties['AlarmRule']).replaceAll(
        /<(\w+)\.Arn>/g,
        (_, id: string) =>
          `arn:aws-us-gov:cloudwatch:us-gov-west-1:111122223333:alarm:${`${MANY.stackName}-${id}-0123456789ABC`.slice(0, 255)}`,
      );
      expect(rule.length).toBeLessThanOrEqual(10_240);
    }
  });
});

describe('the topic that is created for an address', () => {
  const topic = () =>
    onlyResource(synthesize({ alarmEmail: 'on-call@example.com' }), 'AWS::SNS::TopicPolicy');

  it('takes what CloudWatch publishes for this account, and refuses everything without TLS', () => {
    const { Statement } = topic().Properties['PolicyDocument'] as { Statement: unknown[] };
    expect(Statement).toEqual([
      expect.objectContaining({
        Effect: 'Deny',
        Action: 'sns:Publish',
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      }),
      {
        Sid: 'PublishAlarms',
        Effect: 'Allow',
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Action: 'sns:Publish',
        Resource: { Ref: expect.stringMatching(/^AlarmTopic/) as unknown },
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      },
    ]);
  });
});

describe('values for the network, keys and deployments', () => {
  const subnetIds = ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'];
  const vpcId = 'vpc-0123456789abcdef0';

  it('may be lists with commas on the command line', () => {
    const settings = parseContext({ vpcId, subnetIds: subnetIds.join(', ') });
    expect(settings.subnetIds).toEqual(subnetIds);
  });

  it.each<[string, Record<string, unknown>, string[]]>([
    ['a VPC without subnets', { vpcId }, ['vpcId: needs subnetIds beside it']],
    ['subnets without a VPC', { subnetIds }, ['subnetIds: needs vpcId beside it']],
    [
      'security groups without a VPC',
      { securityGroupIds: ['sg-0123456789abcdef0'] },
      ['securityGroupIds: needs vpcId and subnetIds beside it'],
    ],
    [
      'a subnet twice, and a security group',
      {
        vpcId,
        subnetIds: [...subnetIds, subnetIds[0]],
        securityGroupIds: ['sg-0123456789abcdef0', 'sg-0123456789abcdef0'],
      },
      [
        'subnetIds: has "subnet-0123456789abcdef0" twice',
        'securityGroupIds: has "sg-0123456789abcdef0" twice',
      ],
    ],
    ...['https://user:secret@proxy.example.com:3128', 'http://user@proxy.example.com'].map(
      (httpsProxy): [string, Record<string, unknown>, string[]] => [
        `the proxy ${httpsProxy}`,
        { httpsProxy },
        [
          "httpsProxy: must have no user and no password: anybody who may see the function's configuration could read them; let the proxy admit the functions by their subnets or security group",
        ],
      ],
    ),
    ['ids that are none', { subnetIds: ['a'] }, ['subnetIds[0]: must be the id of a subnet']],
    ['exceptions from no proxy', { noProxy: 'x' }, ['noProxy: needs httpsProxy beside it']],
    [
      'a proxy that is no URL',
      { httpsProxy: 'proxy:3128' },
      ['httpsProxy: must be a URL such as http://proxy.example.com:3128'],
    ],
    [
      'a deployment that is none',
      { deployment: 'blue' },
      ['deployment: must be off or canary or all-at-once'],
    ],
  ])('refuses %s', (_, context, expected) => {
    expect(problems(context)).toEqual(expected);
  });

  it('refuses topics and keys of another region, where the region is known', () => {
    const context = {
      alarmTopicArn: 'arn:aws:sns:us-east-1:111122223333:on-call',
      kmsKeyArn: KEY.replace('eu-central-1', 'us-west-2'),
      rawBucketName: 'logs',
      rawKmsKeyArn: KEY,
      sourceRegion: 'eu-west-1',
    };
    expect(problems(context, 'eu-central-1')).toEqual([
      'alarmTopicArn: is of region us-east-1, and must be of eu-central-1',
      'kmsKeyArn: is of region us-west-2, and must be of eu-central-1',
      'rawKmsKeyArn: is of region eu-central-1, and must be of eu-west-1',
    ]);
    expect(problems(context)).toEqual([]);
  });
});
