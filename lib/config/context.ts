import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { z } from 'zod';
import { isShared } from '../buckets.ts';
import { capacityFields, refuseNoQueueConcurrency, refuseTooLittleMemory } from './capacity.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { ENGINE_NAMES, engineFields, refuseContradictions, wholeNumber } from './engine.ts';
import { formatIssues, InvalidConfiguration } from './invalid-configuration.ts';
import { DEFAULT_AGGREGATED_ROOT, DEFAULT_RAW_ROOT, DEPLOYMENT_KINDS } from '../log-rollup-props.ts';
import { PROXY_USER, hasUser } from './proxy.ts';
import {
  DIRECTORY_BUCKET,
  accessPointArn,
  isDirectoryBucket,
  prefixesOverlap,
  prefixSchema,
  rawPrefixSchema,
} from './root.ts';
import type { StackSettings } from './context-values.ts';
import { DEFAULT_STREAMS, streamsSchema } from './streams.ts';

export type { StackSettings };

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
const bucketName = z
  .string()
  .regex(/^(arn:\S+|[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])$/, 'must be the name of a bucket')
  .refine((name) => !isDirectoryBucket(name), DIRECTORY_BUCKET)
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html#access-points-alias
  .refine(
    (name) => !name.endsWith('-s3alias'),
    'must be the ARN of the access point: a policy knows no alias',
  )
  .refine((name) => !name.startsWith('arn:') || accessPointArn.safeParse(name).success, {
    error: 'must be the ARN of an access point of one region',
  });
const keyArn = z
  .string()
  .regex(/^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/, 'must be the ARN of a KMS key, not an alias');

const topicArn = z
  .string()
  .regex(/^arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]{1,256}$/, 'must be the ARN of an SNS topic');
const ids = (prefix: string, what: string) =>
  z
    .array(z.string().regex(new RegExp(`^${prefix}-[0-9a-f]{8,17}$`), `must be the id of a ${what}`))
    .min(1, `must name at least one ${what}`);

/** Schemas of the stack's own values, with their defaults. The settings file has them under `stack`. */
const stackFields = {
  stackName: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, 'must be 1 to 64 letters, digits or "-", and begin with a letter')
    .default('LogRollup'),
  rawBucketName: bucketName.optional(),
  rawRoot: rawPrefixSchema.default(DEFAULT_RAW_ROOT),
  rawKmsKeyArn: keyArn.optional(),
  rawExpiration: wholeNumber(1, 36_500).optional(),
  aggregatedBucketName: bucketName.optional(),
  aggregatedRoot: prefixSchema.default(DEFAULT_AGGREGATED_ROOT),
  aggregatedKmsKeyArn: keyArn.optional(),
  separateBuckets: z.boolean('must be true or false').default(false),
  streams: z.unknown().optional(),
  ...capacityFields,
  logRetentionDays: z
    .enum(RetentionDays, `must be one of ${Object.values(RetentionDays).filter(Number).join(', ')}`)
    .default(RetentionDays.ONE_MONTH),
  tracing: z.boolean('must be true or false').default(false),
  emptyHourAlarm: z.boolean('must be true or false').default(false),
  alarmTopicArn: topicArn.optional(),
  alarmEmail: z.email('must be an e-mail address').optional(),
  pageTopicArn: topicArn.optional(),
  kmsKeyArn: keyArn.optional(),
  vpcId: z
    .string()
    .regex(/^vpc-[0-9a-f]{8,17}$/, 'must be the id of a VPC')
    .optional(),
  subnetIds: ids('subnet', 'subnet').optional(),
  securityGroupIds: ids('sg', 'security group').optional(),
  httpsProxy: z
    .url({ protocol: /^https?$/, error: 'must be a URL such as http://proxy.example.com:3128' })
    .refine((url) => !hasUser(url), PROXY_USER)
    .optional(),
  noProxy: z.string('must be text, such as ".amazonaws.com"').min(1).optional(),
  deployment: z.enum(DEPLOYMENT_KINDS, `must be ${DEPLOYMENT_KINDS.join(' or ')}`).default('off'),
  runbookUrl: z
    .string()
    .regex(/^[^\s#]+$/, 'must have no blanks and no "#"')
    .default('docs/runbook.md'),
};

/** Names of the stack's own values. */
export const STACK_NAMES = Object.keys(stackFields);

const fields = { ...stackFields, ...engineFields };

/** Names of all context values; docs/deploy.md documents each. */
export const CONTEXT_KEYS = Object.keys(fields);

const schema = z.strictObject(fields);

/** Schema of `stack` in the settings file. */
export const stackSchema = z.strictObject({
  ...stackFields,
  streams: streamsSchema(
    's3://<raw bucket>/<rawRoot>',
    's3://<aggregated bucket>/<aggregatedRoot>',
    0,
  ).optional(),
});

/** A settings file: its name, settings of a run, and the stack's own values. */
export interface ContextFile {
  readonly name: string | undefined;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly stack: Readonly<Record<string, unknown>>;
}

/**
 * Checks the app's context, whose values override those of a settings file. Values from the command line
 * (`-c concurrency=32`) are text, and streams JSON. Names with other characters than letters and digits are CDK's own and are
 * passed over; any other unknown name is refused.
 *
 * @param region that the stack is deployed to, where it is known
 * @throws InvalidConfiguration with all problems
 */
export function parseContext(
  context: Readonly<Record<string, unknown>>,
  file: ContextFile = { name: undefined, settings: {}, stack: {} },
  region?: string,
): StackSettings {
  const own = Object.entries(context).filter(([name]) => /^[A-Za-z0-9]+$/.test(name));
  const typed = Object.fromEntries(own.map(([name, value]) => [name, fromCommandLine(name, value)]));
  const shared = Object.entries(file.settings).filter(([name]) => name in engineFields);
  const given = { ...Object.fromEntries(shared), ...file.stack, ...typed };
  const parsed = schema.safeParse(given);
  const streams = parseStreams(given);
  const problems = [
    ...formatIssues(parsed.error?.issues ?? []),
    ...formatIssues(streams.error?.issues ?? [], ['streams']),
    // Conditions are checked between values that are sound by themselves.
    ...formatIssues(relations.safeParse(soundValues(given)).error?.issues ?? []),
    ...(region === undefined ? [] : regionProblems(soundValues(given), region)),
  ];
  if (!parsed.success || problems.length > 0) {
    throw new InvalidConfiguration(
      'Invalid context',
      problems.map((problem) => located(problem, typed, file)),
    );
  }
  return {
    ...parsed.data,
    streams: streams.data?.map(({ name, path, minute }) => ({ name, source: path, minute })),
  };
}

/** Adds the file to a problem with one of its values: `s3-log-rollup.json: stack.rawRoot: must …`. */
function located(
  problem: string,
  typed: Record<string, unknown>,
  { name, settings, stack }: ContextFile,
): string {
  const [value = ''] = /^\w+/.exec(problem) ?? [];
  if (value in typed || name === undefined) return problem;
  if (value in stack) return `${name}: stack.${problem}`;
  return value in settings ? `${name}: ${problem}` : problem;
}

/** Values that are lists of ids: on the command line with commas. */
const LISTS = new Set(['subnetIds', 'securityGroupIds']);

function fromCommandLine(name: string, value: unknown): unknown {
  if (typeof value !== 'string' || ENGINE_NAMES.some((known) => known === name)) return value;
  if (name === 'streams') {
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  }
  if (LISTS.has(name)) return value.split(',').map((one) => one.trim());
  if (value === 'true' || value === 'false') return value === 'true';
  return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}

function parseStreams(given: Record<string, unknown>) {
  const sound = soundValues(given);
  const { rawBucketName = '<created bucket>', rawRoot, aggregatedRoot } = sound;
  const { graceSeconds = DEFAULT_SETTINGS.graceSeconds } = sound;
  const aggregatedBucket = isShared(sound)
    ? rawBucketName
    : (sound.aggregatedBucketName ?? '<another bucket>');
  return streamsSchema(
    `s3://${rawBucketName}/${rawRoot}`,
    `s3://${aggregatedBucket}/${aggregatedRoot}`,
    graceSeconds,
  ).safeParse(given['streams'] ?? DEFAULT_STREAMS);
}

/** The values that are valid, with the default for each of the others. */
function soundValues(given: Record<string, unknown>): z.infer<typeof schema> {
  const sound = Object.entries(fields).filter(([name, field]) => field.safeParse(given[name]).success);
  return schema.parse(Object.fromEntries(sound.map(([name]) => [name, given[name]])));
}

const relations = schema.superRefine((settings, context) => {
  const refuse = (path: string, message: string) => {
    context.addIssue({ code: 'custom', path: [path], message });
  };
  refuseContradictions(settings, context);
  refuseNoQueueConcurrency(settings, context);
  refuseTooLittleMemory(settings, settings, context);
  const { fanOut, aggregatedBucketName = settings.separateBuckets ? '' : settings.rawBucketName } = settings;
  if (fanOut === true && aggregatedBucketName?.startsWith('arn:') === true)
    refuse(
      'fanOut',
      'must be off where rollups go to an access point: Step Functions reads plans from a bucket',
    );
  if (isShared(settings)) {
    if (prefixesOverlap(settings.rawRoot, settings.aggregatedRoot)) {
      refuse(
        'aggregatedRoot',
        `"${settings.aggregatedRoot}" and rawRoot "${settings.rawRoot}" overlap in one bucket`,
      );
    }
    if (![undefined, settings.rawKmsKeyArn].includes(settings.aggregatedKmsKeyArn)) {
      refuse(
        'aggregatedKmsKeyArn',
        'must be rawKmsKeyArn or left out: raw and aggregated logs share a bucket',
      );
    }
  }
  if (
    settings.separateBuckets &&
    settings.rawBucketName &&
    settings.rawBucketName === settings.aggregatedBucketName
  ) {
    refuse('separateBuckets', 'contradicts aggregatedBucketName, which is the raw bucket');
  }
  if (settings.rawBucketName !== undefined && settings.rawExpiration !== undefined) {
    refuse(
      'rawExpiration',
      'is for a bucket that is created: give an existing bucket its own lifecycle rule',
    );
  }
  if ((settings.vpcId === undefined) !== (settings.subnetIds === undefined)) {
    const [given, missing] = settings.vpcId === undefined ? ['subnetIds', 'vpcId'] : ['vpcId', 'subnetIds'];
    refuse(given, `needs ${missing} beside it`);
  }
  // Each id is that of a construct, of which CDK takes no two.
  for (const name of ['subnetIds', 'securityGroupIds'] as const)
    settings[name]?.forEach((id, i, all) => {
      if (all.indexOf(id) < i) refuse(name, `has "${id}" twice`);
    });
  if (settings.securityGroupIds !== undefined && settings.vpcId === undefined)
    refuse('securityGroupIds', 'needs vpcId and subnetIds beside it');
  if (settings.noProxy !== undefined && settings.httpsProxy === undefined)
    refuse('noProxy', 'needs httpsProxy beside it');
  if (settings.alarmTopicArn !== undefined && settings.alarmEmail !== undefined) {
    refuse('alarmEmail', 'is for a topic that is created: give alarmTopicArn or alarmEmail, not both');
  }
});

/** Topics and keys that the stack could not use where it is, or the buckets where they are. */
function regionProblems(settings: z.infer<typeof schema>, region: string): string[] {
  const { sourceRegion = region, destinationRegion = region } = settings;
  const expected = [
    ['alarmTopicArn', region],
    ['pageTopicArn', region],
    ['kmsKeyArn', region],
    ['rawKmsKeyArn', sourceRegion],
    ['aggregatedKmsKeyArn', destinationRegion],
    ['kmsKeyId', destinationRegion],
  ] as const;
  return expected.flatMap(([name, right]) => {
    const [, , , actual = right] = settings[name]?.split(':') ?? [];
    return actual === right ? [] : [`${name}: is of region ${actual}, and must be of ${right}`];
  });
}
