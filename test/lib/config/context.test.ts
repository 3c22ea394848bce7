import { describe, expect, it } from 'vitest';
import { CONTEXT_KEYS, parseContext } from '../../../lib/config/context.ts';
import { InvalidConfiguration } from '../../../lib/config/invalid-configuration.ts';
import { page } from '../markdown.ts';
import { appContext, DEPLOYMENTS, VARIANTS } from '../synthesis.ts';

const HOUR = '{yyyy}{MM}{dd}/{HH}/';
const SIZE = "must be a size from 5 MiB (S3's smallest part) to 1 GiB, such as 32MiB";
const KEY = 'arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555';

function problems(context: Record<string, unknown>): readonly string[] {
  try {
    parseContext(context);
  } catch (error) {
    if (error instanceof InvalidConfiguration) return error.problems;
    throw error;
  }
  return [];
}

const streamProblem = (problem: string) => [`streams[0].${problem}`];

describe('context that is taken', () => {
  it("fan-out beside AWS's own endpoints, those of a VPC among them", () => {
    for (const host of [
      'bucket.vpce-0123456789abcdef0.s3.eu-central-1.vpce.amazonaws.com',
      's3.dualstack.eu-central-1.amazonaws.com',
    ])
      expect(problems({ fanOut: true, destinationEndpointUrl: `https://${host}` })).toEqual([]);
  });
});

describe('context that is refused', () => {
  it.each([
    ['a name that there is not', { bucketName: 'logs' }, ['bucketName: there is no such setting']],
    [
      'a bucket name that is none',
      { rawBucketName: 'Logs' },
      ['rawBucketName: must be the name of a bucket'],
    ],
    ['a root without its slash', { rawRoot: 'raw' }, ['rawRoot: must be empty or end with "/"']],
    ['a root that climbs', { rawRoot: 'raw/../' }, ['rawRoot: must not have a "." or ".." segment']],
    [
      'a root of rollups with an empty segment',
      { aggregatedRoot: 'rolled//' },
      ['aggregatedRoot: must not have an empty segment'],
    ],
    [
      'a root that a policy would expand',
      { rawRoot: 'raw*/' },
      ['rawRoot: must not contain any of * ? { } $'],
    ],
    [
      'roots that overlap in one bucket',
      { rawRoot: 'logs/', aggregatedRoot: 'logs/aggregated/' },
      ['aggregatedRoot: "logs/aggregated/" and rawRoot "logs/" overlap in one bucket'],
    ],
    [
      'a whole bucket as both roots',
      { rawBucketName: 'logs', rawRoot: '', aggregatedBucketName: 'logs' },
      ['aggregatedRoot: "aggregated/" and rawRoot "" overlap in one bucket'],
    ],
    [
      'an alias for a key',
      { rawKmsKeyArn: 'alias/logs' },
      ['rawKmsKeyArn: must be the ARN of a KMS key, not an alias'],
    ],
    [
      'a second key for one bucket',
      { rawKmsKeyArn: KEY, aggregatedKmsKeyArn: KEY.replace('1111-2222', '9999-2222') },
      ['aggregatedKmsKeyArn: must be rawKmsKeyArn or left out: raw and aggregated logs share a bucket'],
    ],
    [
      'one bucket and separate buckets',
      { rawBucketName: 'logs', aggregatedBucketName: 'logs', separateBuckets: true },
      ['separateBuckets: contradicts aggregatedBucketName, which is the raw bucket'],
    ],
    [
      'a lifecycle for a bucket that exists',
      { rawBucketName: 'logs', rawExpiration: 30 },
      ['rawExpiration: is for a bucket that is created: give an existing bucket its own lifecycle rule'],
    ],
    [
      'a plan that Step Functions could not read',
      { fanOut: true, destinationRoleArn: 'arn:aws:iam::444455556666:role/write-rollups' },
      [
        'fanOut: must be off beside destinationRoleArn: Step Functions reads the plan under the destination by its own role',
      ],
    ],
    [
      'fan-out to another region',
      { fanOut: true, destinationRegion: 'eu-west-1' },
      [
        "fanOut: must be off beside destinationRegion: Step Functions reads the plan, which lies under the destination, in its own account and region alone; leave destinationRegion out where it is the stack's own",
      ],
    ],
    [
      "fan-out to an endpoint that is not AWS's",
      { fanOut: true, destinationEndpointUrl: 'https://minio.example.com' },
      [
        "fanOut: must be off beside destinationEndpointUrl https://minio.example.com: Step Functions reads the plan, which lies under the destination, in its own account and region alone, and at no other endpoint than AWS's own",
      ],
    ],
    [
      'directory buckets',
      { rawBucketName: 'logs--euc1-az1--x-s3', aggregatedBucketName: 'lake--euc1-az1--x-s3' },
      ['rawBucketName', 'aggregatedBucketName'].map(
        (name) =>
          `${name}: must not be a directory bucket: it lists its keys in no order, and has no lifecycle rules by prefix`,
      ),
    ],
    [
      'an alias of an access point, and an ARN that is none of one region',
      {
        rawBucketName: 'logs-0123456789abcdefghij-s3alias',
        aggregatedBucketName: 'arn:aws:s3::111122223333:accesspoint/mrap.mrap',
      },
      [
        'rawBucketName: must be the ARN of the access point: a policy knows no alias',
        'aggregatedBucketName: must be the ARN of an access point of one region',
      ],
    ],
    [
      'fan-out to an access point',
      { rawBucketName: 'arn:aws:s3:eu-central-1:111122223333:accesspoint/logs', fanOut: true },
      ['fanOut: must be off where rollups go to an access point: Step Functions reads plans from a bucket'],
    ],
    ['a number that is none', { concurrency: 'many' }, ['concurrency: must be a whole number from 1 to 250']],
    [
      'more downloads than connections',
      { concurrency: 251 },
      ['concurrency: must be a whole number from 1 to 250'],
    ],
    ['half a download', { concurrency: '1.5' }, ['concurrency: must be a whole number from 1 to 250']],
    ['a size that is none', { targetSize: 'large' }, [`targetSize: ${SIZE}`]],
    ['a part that S3 refuses', { partSize: '1MiB' }, [`partSize: ${SIZE}`]],
    ['a newline that is none', { newline: 'yes' }, ['newline: must be ensure or none']],
    [
      'filters that are no JSON',
      { filters: '*.log' },
      [`filters: must be a list of {"include": glob} and {"exclude": glob}`],
    ],
    [
      'groups without a capture',
      { groupBy: '[a-z]+' },
      ["groupBy: must have a capture group, such as '^([^/]+)/'"],
    ],
    ['a yes', { tracing: 'yes' }, ['tracing: must be true or false']],
    [
      'a timeout above that of Lambda',
      { timeoutSeconds: 901 },
      ['timeoutSeconds: must be a whole number from 60 to 900'],
    ],
    [
      'a queue without concurrency',
      { reservedConcurrency: 2, directConcurrency: 1 },
      ['directConcurrency: leaves 1 of reservedConcurrency 2 for the queue, which needs at least 2'],
    ],
    [
      'outputs that do not fit into memory',
      { targetSize: '1GiB', outputsInFlight: 16 },
      [
        'memorySize: 1024 MB are too few for outputsInFlight 16 x (targetSize 1024 MiB + 1 MiB) + 350 MiB = 16750 MB',
      ],
    ],
    [
      'an output too many for the memory',
      { memorySize: 512, outputsInFlight: 5 },
      [
        'memorySize: 512 MB are too few for outputsInFlight 5 x (targetSize 32 MiB + 1 MiB) + 350 MiB = 515 MB',
      ],
    ],
    ['a topic by its name', { alarmTopicArn: 'on-call' }, ['alarmTopicArn: must be the ARN of an SNS topic']],
    ['an address that is none', { alarmEmail: 'on-call' }, ['alarmEmail: must be an e-mail address']],
    [
      'two ways to alarm',
      { alarmTopicArn: 'arn:aws:sns:eu-central-1:111122223333:on-call', alarmEmail: 'on-call@example.com' },
      ['alarmEmail: is for a topic that is created: give alarmTopicArn or alarmEmail, not both'],
    ],
    [
      'a runbook with an anchor',
      { runbookUrl: 'https://example.com/#x' },
      ['runbookUrl: must have no blanks and no "#"'],
    ],
    [
      'a stack name with a blank',
      { stackName: 'Log rollup' },
      ['stackName: must be 1 to 64 letters, digits or "-", and begin with a letter'],
    ],
    [
      'streams that are no JSON',
      { streams: '[{' },
      ['streams: must be a list of {"name", "source", "minute", "each"}'],
    ],
    ['no stream', { streams: [] }, ['streams: must name at least one stream']],
    ['a stream without a name', { streams: [{}] }, streamProblem('name: must be text')],
    [
      'a field that streams do not have',
      { streams: [{ name: 'a', hour: 1 }] },
      streamProblem('hour: there is no such setting'),
    ],
    [
      'a stream name with a slash',
      { streams: [{ name: 'a/b' }] },
      streamProblem('name: must be 1 to 40 letters, digits, "-" or "_"'),
    ],
    [
      'the name of what has none',
      { streams: [{ name: 'unnamed' }] },
      streamProblem('name: is taken: requests that name no stream are counted under it'),
    ],
    [
      'a minute that is none',
      { streams: [{ name: 'a', minute: 60 }] },
      streamProblem('minute: must be a whole number from 0 to 59'),
    ],
    [
      'a minute within the grace period',
      { streams: [{ name: 'a', minute: 4 }] },
      streamProblem('minute: is within the grace period of 300 s (graceSeconds)'),
    ],
    [
      'a grace period beyond the minute',
      { graceSeconds: '900' },
      streamProblem('minute: is within the grace period of 900 s (graceSeconds)'),
    ],
    [
      'a template without hours',
      { streams: [{ name: 'a', source: '{yyyy}{MM}{dd}/' }] },
      streamProblem('source: must contain {HH}'),
    ],
    [
      'a placeholder that there is not',
      { streams: [{ name: 'a', source: `{stream}/${HOUR}` }] },
      streamProblem(
        'source: must have no placeholders but {yyyy}, {MM}, {dd} and {HH}, and those that "each" has values for',
      ),
    ],
    [
      'a template that climbs',
      { streams: [{ name: 'a', source: `../${HOUR}` }] },
      streamProblem('source: must not have a "." or ".." segment'),
    ],
    [
      'a template of another program',
      { streams: [{ name: 'a', source: 'a/%Y/%m/%d/%H/' }] },
      streamProblem('source: must have {yyyy}, which the hour fills, in place of "%Y"'),
    ],
    [
      'a misspelt placeholder',
      { streams: [{ name: 'a', source: 'a/{yyyy}/{mm}/{dd}/{HH}/' }] },
      streamProblem('source: must have {MM}, which the hour fills, in place of "{mm}"'),
    ],
    [
      'a glob',
      { streams: [{ name: 'a', source: `AWSLogs/*/${HOUR}` }] },
      streamProblem('source: must be a prefix, not a glob: for several prefixes, use "each"'),
    ],
    [
      "somebody else's bucket",
      { rawBucketName: 'logs', streams: [{ name: 'a', source: `s3://other/raw/${HOUR}` }] },
      streamProblem('source: must be relative or begin with the raw root, s3://logs/raw/'),
    ],
    [
      'a prefix beside the raw root',
      { rawBucketName: 'logs', streams: [{ name: 'a', source: `s3://logs/rawer/${HOUR}` }] },
      streamProblem('source: must be relative or begin with the raw root, s3://logs/raw/'),
    ],
    [
      'two streams of one name',
      { streams: [{ name: 'a' }, { name: 'a', source: HOUR }] },
      ['streams[1].name: is that of another stream'],
    ],
    [
      'two streams of one source',
      {
        streams: [
          { name: 'a', source: HOUR },
          { name: 'b', source: HOUR },
        ],
      },
      ['streams[1].source: is that of another stream'],
    ],
  ])('%s', (_, context, expected) => {
    expect(problems(context)).toEqual(expected);
  });

  it('is reported as a whole', () => {
    const context = {
      rawRoot: 'raw',
      concurrency: 0,
      alarmEmail: 'nobody',
      reservedConcurrency: 2,
      streams: '[{"name":"a b","minute":99}]',
      colour: 'blue',
    };
    expect(() => parseContext(context)).toThrow(
      [
        'Invalid context:',
        '  rawRoot: must be empty or end with "/"',
        '  alarmEmail: must be an e-mail address',
        '  concurrency: must be a whole number from 1 to 250',
        '  colour: there is no such setting',
        '  streams[0].name: must be 1 to 40 letters, digits, "-" or "_"',
        '  streams[0].minute: must be a whole number from 0 to 59',
        '  directConcurrency: leaves 1 of reservedConcurrency 2 for the queue, which needs at least 2',
      ].join('\n'),
    );
  });
});

describe('context that is taken', () => {
  it("has defaults for everything, and passes over CDK's own", () => {
    expect(parseContext(appContext())).toEqual({
      stackName: 'LogRollup',
      rawRoot: 'raw/',
      aggregatedRoot: 'aggregated/',
      separateBuckets: false,
      streams: [{ name: 'default', source: HOUR, minute: 10 }],
      memorySize: 1_024,
      timeoutSeconds: 900,
      reservedConcurrency: 5,
      directConcurrency: 1,
      logRetentionDays: 30,
      tracing: false,
      emptyHourAlarm: false,
      deployment: 'off',
      runbookUrl: 'docs/runbook.md',
    });
  });

  it('may come from the command line, as text', () => {
    expect(
      parseContext({
        concurrency: '32',
        tracing: 'true',
        partSize: '8388608',
        streams: '[{"name":"checkout"}]',
        filters: '[{"exclude":"*.tmp"}]',
        groupBy: '(\\d)',
      }),
    ).toMatchObject({
      filters: [{ exclude: '*.tmp' }],
      groupBy: '(\\d)',
      concurrency: 32,
      tracing: true,
      emptyHourAlarm: false,
      partSize: 8_388_608,
      streams: [{ name: 'checkout', source: `checkout/${HOUR}`, minute: 10 }],
    });
  });

  it('is taken over what the settings file says', () => {
    const file = {
      name: 's3-log-rollup.json',
      settings: { concurrency: 8, targetSize: '64MiB' },
      stack: { rawRoot: 'logs/', tracing: true, streams: [{ name: 'checkout' }] },
    };
    const context = { concurrency: '32', tracing: 'false' };
    expect(parseContext(context, file)).toMatchObject({
      concurrency: 32,
      targetSize: 67_108_864,
      rawRoot: 'logs/',
      tracing: false,
      streams: [{ name: 'checkout', source: `checkout/${HOUR}`, minute: 10 }],
    });
    const wrong = {
      ...file,
      settings: { concurrency: 0 },
      stack: { streams: [{ name: 'a b' }], rawRoot: 'x' },
    };
    expect(() => parseContext({ rawRoot: 'raw' }, wrong)).toThrow(
      [
        'Invalid context:',
        '  rawRoot: must be empty or end with "/"',
        '  s3-log-rollup.json: concurrency: must be a whole number from 1 to 250',
        '  s3-log-rollup.json: stack.streams[0].name: must be',
      ].join('\n'),
    );
  });

  it('may have as many outputs in memory as fit', () => {
    expect(problems({ memorySize: 515, outputsInFlight: 5 })).toEqual([]);
    expect(problems({ memorySize: 2_400, targetSize: '1GiB', outputsInFlight: 2 })).toEqual([]);
    expect(problems({ memorySize: 512 })).toEqual([]);
  });

  it('may have overlapping roots in different buckets', () => {
    expect(
      problems({ rawBucketName: 'raw', rawRoot: '', aggregatedBucketName: 'lake', aggregatedRoot: '' }),
    ).toEqual([]);
    expect(problems({ separateBuckets: true, rawRoot: 'logs/', aggregatedRoot: 'logs/' })).toEqual([]);
  });

  it('has each value in a deployment of these tests, and in the deploy guide', () => {
    const deployments = [...Object.values(DEPLOYMENTS), ...Object.values(VARIANTS)];
    const tested = new Set(deployments.flatMap((deployment) => Object.keys(deployment)));
    const [, section = ''] = page('deploy.md').split(/^## Context$/m);
    const [table = ''] = section.split(/^## /m);
    const documented = [...table.matchAll(/^\| `(\w+)` +\|/gm)].map(([, name]) => name);
    expect([...tested].sort()).toEqual([...CONTEXT_KEYS].sort());
    expect(documented.sort()).toEqual([...CONTEXT_KEYS].sort());
  });
});
