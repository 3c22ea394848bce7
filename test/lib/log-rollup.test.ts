import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { type IVpc, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, it } from 'vitest';
import { ENV, STACK_OUTPUTS } from '../../lambda/names.ts';
import { parseStreams } from '../../lambda/invocation/streams.ts';
import { flattenReference } from '../../lib/flatten-reference.ts';
import { LogRollup } from '../../lib/log-rollup.ts';
import { addOutputs } from '../../lib/outputs.ts';
import { createApp, createStack, DEPLOYMENTS, inlineCode } from './synthesis.ts';
import { resources, roleStatements } from './template.ts';

const HOUR = '{yyyy}{MM}{dd}/{HH}/';

describe('LogRollup in an app of its user', () => {
  it('takes buckets that the app creates, and whole templates in them', () => {
    const stack = new Stack(createApp(), 'Theirs');
    const encryptionKey = new Key(stack, 'Key');
    const rawBucket = new Bucket(stack, 'Logs', { encryptionKey });
    const rollup = new LogRollup(stack, 'Rollup', {
      rawBucket,
      rawRoot: 'in/',
      aggregatedBucket: new Bucket(stack, 'Lake'),
      streams: [{ name: 'checkout', source: `s3://${rawBucket.bucketName}/in/checkout/${HOUR}` }],
      code: inlineCode(),
    });
    addOutputs(rollup);
    const template = Template.fromStack(stack);
    expect(
      flattenReference(template.findOutputs(STACK_OUTPUTS.streams)[STACK_OUTPUTS.streams]?.['Value']),
    ).toMatch(
      /^\[\{"name":"checkout","source":"s3:\/\/<Logs\w+>\/in\/checkout\/\{yyyy\}\{MM\}\{dd\}\/\{HH\}\/","minute":10\}\]$/,
    );
    expect(roleStatements(template).map(({ Sid }) => Sid)).toContain('DecryptRaw');
    expect(roleStatements(template).map(({ Sid }) => Sid)).not.toContain('EncryptAggregated');
  });

  it('takes buckets of another stack', () => {
    const app = createApp();
    const buckets = new Stack(app, 'Buckets');
    const stack = new Stack(app, 'Theirs');
    new LogRollup(stack, 'Rollup', { rawBucket: new Bucket(buckets, 'Logs'), code: inlineCode() });
    expect(findings(stack)).toEqual([]);
    expect(roleStatements(Template.fromStack(stack)).length).toBeGreaterThan(0);
  });

  it("takes the app's own network, key and topics", () => {
    const stack = new Stack(createApp(), 'Theirs');
    const rollup = new LogRollup(stack, 'Rollup', {
      rawBucket: new Bucket(stack, 'Logs'),
      // CDK declares its fields as possibly undefined, and as optional.
      vpc: new Vpc(stack, 'Network') as IVpc,
      encryptionKey: new Key(stack, 'Key'),
      pageTopic: new Topic(stack, 'Pager'),
      deployment: 'canary',
      engine: { fanOut: true },
      code: inlineCode(),
    });
    addOutputs(rollup);
    const template = Template.fromStack(stack);
    const functions = Object.values(resources(template, 'AWS::Lambda::Function')).filter(
      ({ Properties }) =>
        Properties['Runtime'] === 'nodejs24.x' && Properties['DeadLetterConfig'] !== undefined,
    );
    expect(functions.map(({ Properties }) => Properties['Handler']).sort()).toEqual([
      'index.handler',
      'steps.handler',
    ]);
    for (const { Properties } of functions)
      expect(flattenReference(Properties['VpcConfig'])).toMatch(
        /NetworkPrivateSubnet1.*RollupSecurityGroup|RollupSecurityGroup.*NetworkPrivateSubnet1/,
      );
    expect(JSON.stringify(resources(template, 'AWS::CloudWatch::CompositeAlarm'))).toContain('Pager');
  });

  it('may be in a stack twice, with separate metrics', () => {
    const stack = new Stack(createApp(), 'Theirs');
    const rawBucket = new Bucket(stack, 'Logs');
    for (const id of ['First', 'Second']) {
      new LogRollup(stack, id, { rawBucket, rawRoot: `${id}/`, code: inlineCode() });
    }
    const services = JSON.stringify(Template.fromStack(stack).toJSON()).match(
      /"POWERTOOLS_SERVICE_NAME":"[^"]+"/g,
    );
    expect(new Set(services).size).toBe(2);
  });

  it('refuses a password in the URL of the proxy', () => {
    const stack = new Stack(createApp(), 'Theirs');
    const rawBucket = Bucket.fromBucketName(stack, 'Logs', 'application-logs');
    const proxy = { url: 'http://user:secret@proxy.example.com:3128' };
    expect(() => new LogRollup(stack, 'Rollup', { rawBucket, proxy })).toThrow(
      'Invalid LogRollup properties:\n  proxy.url: must have no user and no password: ',
    );
  });

  it.each([false, true])(
    'fills a stack with streams, and refuses more than it holds, with alarms for empty hours: %s',
    (emptyHourAlarm) => {
      const create = (count: number) => {
        const stack = new Stack(createApp(), 'Theirs');
        const rawBucket = Bucket.fromBucketName(stack, 'Logs', 'application-logs');
        const streams = Array.from({ length: count }, (_, i) => ({ name: `s${i}` }));
        new LogRollup(stack, 'Rollup', { rawBucket, streams, emptyHourAlarm, code: inlineCode() });
        return stack;
      };
      const refused =
        /^The stack cannot be deployed:\n {2}streams: (\d+) streams take (\d+) resources, which are (\d+) with the (\d+) others, and CloudFormation takes 500 in a stack: share the streams out among several stacks of at most (\d+)/;
      let message = '';
      try {
        create(170);
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toMatch(refused);
      const [streams, own, all, others, most] = (refused.exec(message) ?? []).slice(1).map(Number);
      expect(streams).toBe(170);
      expect(own).toBe(170 * (emptyHourAlarm ? 4 : 3));
      expect(all).toBe((own ?? 0) + (others ?? 0));
      expect(most).toBeGreaterThan(emptyHourAlarm ? 110 : 145);
      const resourcesOf = (count: number) =>
        Object.keys((Template.fromStack(create(count)).toJSON() as { Resources: object }).Resources).length;
      // With room for the metadata that CDK may add.
      expect(resourcesOf(most ?? 0)).toBeLessThanOrEqual(499);
      expect(() => create((most ?? 0) + 5)).toThrow(refused);
    },
  );

  it('refuses outputs that do not fit into memory', () => {
    const stack = new Stack(createApp(), 'Theirs');
    const rawBucket = Bucket.fromBucketName(stack, 'Logs', 'application-logs');
    const engine = { targetSize: '1GiB', outputsInFlight: 16 };
    expect(() => new LogRollup(stack, 'Rollup', { rawBucket, engine })).toThrow(
      'Invalid LogRollup properties:\n  memorySize: 1024 MB are too few for outputsInFlight 16 x',
    );
  });

  it('gives its functions many streams, and refuses more than fit into their variables', () => {
    const streams = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ name: `${(i * 2_654_435_761) % 2 ** 32}-service` }));
    const create = (count: number) => {
      const stack = new Stack(createApp(), 'Theirs');
      const rawBucket = new Bucket(stack, 'Logs');
      const engine = { fanOut: true };
      new LogRollup(stack, 'Rollup', { rawBucket, streams: streams(count), engine, code: inlineCode() });
      return stack;
    };
    const variables = Object.values(resources(Template.fromStack(create(120)), 'AWS::Lambda::Function')).map(
      ({ Properties }) => (Properties['Environment'] as { Variables: Record<string, string> }).Variables,
    );
    const roots = {
      rawRoot: { bucket: 'logs', prefix: 'raw/' },
      aggregatedRoot: { bucket: 'logs', prefix: 'aggregated/' },
    };
    for (const { [ENV.streams]: text = '' } of variables)
      expect(parseStreams(text, roots).map(({ name }) => ({ name }))).toEqual(streams(120));
    expect(variables).toHaveLength(2);
    expect(() => create(700)).toThrow(
      /^The function cannot be deployed:\n {2}environment: .*STREAMS \d+.*share them out among several stacks/,
    );
  });

  it('names every property that is wrong', () => {
    const stack = new Stack(createApp(), 'Theirs');
    const rawBucket = Bucket.fromBucketName(stack, 'Logs', 'application-logs');
    const create = () =>
      new LogRollup(stack, 'Rollup', {
        rawBucket,
        rawRoot: 'raw',
        aggregatedRoot: 'raw/aggregated/',
        streams: [{ name: 'checkout', source: `s3://elsewhere/${HOUR}` }],
        engine: { concurrency: 1_000 },
        memorySize: 1,
      });
    expect(create).toThrow(
      [
        'Invalid LogRollup properties:',
        '  rawRoot: must be empty or end with "/"',
        '  aggregatedRoot: "raw/aggregated/" and rawRoot "raw" overlap in one bucket',
        '  memorySize: must be a whole number from 512 to 10240',
        '  engine.concurrency: must be a whole number from 1 to 250',
        '  streams[0].source: must be relative or begin with the raw root, s3://application-logs/raw',
      ].join('\n'),
    );
  });
});

describe("cdk-nag's AwsSolutions pack", () => {
  it.each(Object.entries(DEPLOYMENTS))('has no finding for %s', (_, context) => {
    expect(findings(createStack(context).stack)).toEqual([]);
  });

  it('has a finding where a rule is broken: this test would see one', () => {
    const { stack } = createStack();
    new Queue(stack, 'Open');
    expect(findings(stack)).toEqual(['AwsSolutions-SQS3', 'AwsSolutions-SQS4']);
  });

  it('has a reason for each rule that is set aside, and only on the role', () => {
    for (const context of Object.values(DEPLOYMENTS)) {
      const { stack } = createStack(context);
      const acknowledged = stack.node.findAll().flatMap((construct) =>
        construct.node.metadata
          .filter(({ type }) => type === 'aws:cdk:acknowledged-rules')
          .flatMap(({ data }) => Object.entries(data as Record<string, string>))
          .map(([rule, reason]) => ({ path: construct.node.path, rule, reason })),
      );
      expect(acknowledged.length).toBeGreaterThan(0);
      for (const { path, rule, reason } of acknowledged) {
        expect(path).toBe(`${stack.stackName}/Rollup/Rollup/Role`);
        expect(rule).toMatch(/AwsSolutions-IAM5\[Resource::.*\*\]$/);
        expect(reason).toMatch(/^[A-Z].{30,}\.$/);
      }
    }
  });
});

/** Ids of the rules that are broken. */
function findings(stack: Stack): string[] {
  return new AwsSolutionsChecks()
    .validateScope(stack)
    .violations.map(({ ruleName }) => ruleName)
    .sort();
}
