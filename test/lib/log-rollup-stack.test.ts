import { Match, Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ENV, STACK_OUTPUTS } from '../../lambda/names.ts';
import { parseContext } from '../../lib/config/context.ts';
import { LogRollupStack } from '../../lib/log-rollup-stack.ts';
import { DEPLOYMENTS, FAN_OUT, appContext, createApp, inlineCode, synthesize } from './synthesis.ts';
import { onlyResource, resources } from './template.ts';

const deployments = Object.entries(DEPLOYMENTS);

describe.each(deployments)('the template with %s', (_, context) => {
  const template = synthesize(context);

  it('is what it was', () => {
    const text = JSON.stringify(template.toJSON(), null, 2).replaceAll(/\b[0-9a-f]{64}\b/g, '<asset hash>');
    expect(JSON.parse(text)).toMatchSnapshot();
  });

  it('has every output, and exports none', () => {
    const outputs = template.findOutputs('*');
    expect(Object.keys(outputs).sort()).toEqual(Object.values(STACK_OUTPUTS).sort());
    expect(JSON.stringify(outputs)).not.toContain('Export');
  });

  it('has no way in but the queue and an invocation that IAM allows', () => {
    for (const type of [
      'AWS::Lambda::Url',
      'AWS::Lambda::Permission',
      'AWS::ApiGatewayV2::Api',
      'AWS::EC2::VPC',
    ]) {
      template.resourceCountIs(type, 0);
    }
    expect(onlyResource(template, 'AWS::Lambda::Function').Properties).not.toHaveProperty('VpcConfig');
  });

  it('keeps logs for a set time', () => {
    for (const group of Object.values(resources(template, 'AWS::Logs::LogGroup'))) {
      expect(group.Properties['RetentionInDays']).toBe(context['logRetentionDays'] ?? 30);
    }
    template.resourceCountIs('AWS::Logs::LogGroup', 1);
  });
});

it('two stacks of one construct id have no physical name in common', () => {
  const named = (stackName: string) => {
    const context = appContext({
      ...FAN_OUT,
      stackName,
      rawBucketName: undefined,
      deployment: 'canary',
      alarmEmail: 'on-call@example.com',
      emptyHourAlarm: true,
      vpcId: 'vpc-0123456789abcdef0',
      subnetIds: ['subnet-0123456789abcdef0'],
      streams: Array.from({ length: 100 }, (_, i) => ({ name: `service-${i}` })),
    });
    const settings = parseContext(context);
    const stack = new LogRollupStack(createApp(context), 'Logs', { stackName, settings, code: inlineCode() });
    const all = Object.entries(
      z
        .object({
          Resources: z.record(
            z.string(),
            z.object({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).default({}) }),
          ),
        })
        .parse(Template.fromStack(stack).toJSON()).Resources,
    );
    expect(all.filter(([, { Type }]) => Type === 'AWS::CloudWatch::CompositeAlarm').length).toBeGreaterThan(
      1,
    );
    // The name of an alias is one of its function; that of a metric is no resource's.
    const own = all.filter(([, { Type }]) => Type !== 'AWS::Lambda::Alias');
    return own.flatMap(([id, { Type, Properties }]) =>
      Object.entries(Properties)
        .filter(([name, value]) => /Name$/.test(name) && name !== 'MetricName' && typeof value === 'string')
        .map(([name, value]) => `${Type} ${id}: ${name} ${String(value)}`),
    );
  };
  const first = named('First');
  const second = named('Second');
  expect(first.filter((name) => second.includes(name))).toEqual([]);
  // This test would see one: the state machine has a name that begins with that of the stack.
  expect(first.join()).toContain('StateMachineName First');
});

describe('buckets', () => {
  it.each([
    { deployment: 'no context', created: 2 },
    { deployment: 'existing bucket', created: 0 },
    { deployment: 'two existing buckets with keys', created: 0 },
    { deployment: 'created buckets, key and topic', created: 3 },
  ])('$deployment: $created are created, the one for access logs included', ({ deployment, created }) => {
    synthesize(DEPLOYMENTS[deployment]).resourceCountIs('AWS::S3::Bucket', created);
  });

  it.each(deployments)(
    '%s: what is created is private, encrypted, kept, and rids itself of old uploads',
    (_, context) => {
      const template = synthesize(context);
      const buckets = resources(template, 'AWS::S3::Bucket');
      for (const { Properties, ...bucket } of Object.values(buckets)) {
        expect(bucket).toMatchObject({
          DeletionPolicy: 'RetainExceptOnCreate',
          UpdateReplacePolicy: 'Retain',
        });
        expect(Properties['PublicAccessBlockConfiguration']).toEqual({
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        });
        expect(Properties['BucketEncryption']).toBeDefined();
        expect(JSON.stringify(Properties['LifecycleConfiguration'])).toContain(
          '"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":1}',
        );
      }
      template.resourcePropertiesCountIs(
        'AWS::S3::BucketPolicy',
        {
          PolicyDocument: {
            Statement: Match.arrayWith([denial({ Bool: { 'aws:SecureTransport': 'false' } })]),
          },
        },
        Object.keys(buckets).length,
      );
    },
  );

  it('expire raw logs under the raw root only, and only where asked', () => {
    const rules = (context: Record<string, unknown>) =>
      JSON.stringify(resources(synthesize(context), 'AWS::S3::Bucket')).match(
        /"ExpireRaw","Prefix":"raw\/"/g,
      );
    expect(rules({ rawExpiration: 30 })).toHaveLength(1);
    expect(rules({})).toBeNull();
  });

  it('are encrypted with the key that is given, and access logs with that of S3', () => {
    const template = synthesize(DEPLOYMENTS['created buckets, key and topic']);
    const algorithms = JSON.stringify(resources(template, 'AWS::S3::Bucket')).match(
      /"SSEAlgorithm":"[^"]+"/g,
    );
    expect(algorithms?.sort()).toEqual([
      '"SSEAlgorithm":"AES256"',
      '"SSEAlgorithm":"aws:kms"',
      '"SSEAlgorithm":"aws:kms"',
    ]);
  });
});

describe('the function', () => {
  it('runs on Node 24, on ARM, with one vCPU, for 15 minutes at most', () => {
    expect(onlyResource(synthesize(), 'AWS::Lambda::Function').Properties).toMatchObject({
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      MemorySize: 1_024,
      Timeout: 900,
      ReservedConcurrentExecutions: 5,
    });
  });

  it('is given the settings that the context has, the outputs that its memory holds, and no others', () => {
    const environment = (context: Record<string, unknown> | undefined) => {
      const { Environment } = onlyResource(synthesize(context), 'AWS::Lambda::Function').Properties;
      return (Environment as { Variables: Record<string, unknown> }).Variables;
    };
    const always = ['rawRoot', 'aggregatedRoot', 'streams', 'queueUrl'] as const;
    expect(Object.keys(environment({})).sort()).toEqual(
      [
        'NODE_OPTIONS',
        'OUTPUTS_IN_FLIGHT',
        'POWERTOOLS_METRICS_NAMESPACE',
        'POWERTOOLS_SERVICE_NAME',
        ...always.map((name) => ENV[name]),
      ].sort(),
    );
    const outputs = (context: Record<string, unknown>) => environment(context)['OUTPUTS_IN_FLIGHT'];
    expect([
      outputs({}),
      outputs({ memorySize: 512 }),
      outputs({ targetSize: '256MiB' }),
      outputs({ targetSize: '512MiB' }),
      outputs({ codec: 'zstd' }),
      // An encoder of a high level has as much memory as three outputs.
      outputs({ codec: 'zstd', level: 19 }),
      outputs({ codec: 'zstd', level: 19, memorySize: 512 }),
      outputs({ codec: 'gzip', level: 9 }),
    ]).toEqual(['6', '4', '2', '1', '6', '5', '1', '6']);
    expect(environment(DEPLOYMENTS['two existing buckets with keys'])).toMatchObject({
      NODE_OPTIONS: '--enable-source-maps',
      POWERTOOLS_SERVICE_NAME: 'LogRollup-prod',
      [ENV.rawRoot]: 's3://application-logs/',
      [ENV.aggregatedRoot]: 's3://application-logs-aggregated/logs/',
      [ENV.streams]: '[["default","{yyyy}{MM}{dd}/{HH}/"]]',
      TARGET_SIZE: '67108864',
      PART_SIZE: '16777216',
      CONCURRENCY: '32',
      OUTPUTS_IN_FLIGHT: '2',
      NEWLINE: 'none',
      CODEC: 'zstd',
      LEVEL: '9',
      GRACE_SECONDS: '120',
      FILTERS: '[{"exclude":"*"},{"include":"*.log"}]',
      GROUP_BY: '^([^/]+)/',
    });
  });

  it.each([
    { tracing: true, mode: { Mode: 'Active' } },
    { tracing: false, mode: undefined },
  ])('traces only where asked: $tracing', ({ tracing, mode }) => {
    expect(
      onlyResource(synthesize({ tracing }), 'AWS::Lambda::Function').Properties['TracingConfig'],
    ).toEqual(mode);
  });
});

function denial(condition: object) {
  return Match.objectLike({ Effect: 'Deny', Condition: condition, Principal: { AWS: '*' } });
}
