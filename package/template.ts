import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, BootstraplessSynthesizer, type IStackSynthesizer, Stack } from 'aws-cdk-lib';
import { CfnSubscription } from 'aws-cdk-lib/aws-sns';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { LogRollupStack } from '../lib/index.ts';
import { type Json, type JsonObject, mergeTemplates } from './merge.ts';
import { CHOICES, MINUTE, PARAMETERS, STACK_NAME, referToParameters } from './parameters.ts';

/** What is on or off in a stack. */
export interface Features {
  fanOut: boolean;
  alarmEmail: boolean;
}

/** Features that Parameters turn on: the condition of each. */
const CONDITIONS = {
  HasFanOut: { 'Fn::Equals': [{ Ref: 'FanOut' }, 'true'] },
  HasAlarmEmail: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'AlarmEmail' }, ''] }] },
  HasRawKmsKey: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'RawKmsKeyArn' }, ''] }] },
  HasAggregatedKmsKey: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'AggregatedKmsKeyArn' }, ''] }] },
} satisfies JsonObject;

/**
 * The stack of one stream over existing buckets as a plain template with Parameters, made from the same constructs: for
 * CloudFormation, Terraform and CDK in other languages. It has no assets and needs no bootstrap.
 */
export function plainTemplate(version: string): JsonObject {
  const withMail = (fanOut: boolean): JsonObject =>
    mergeTemplates(
      'HasAlarmEmail',
      synthesise({ fanOut, alarmEmail: true }),
      synthesise({ fanOut, alarmEmail: false }),
    );
  const { Resources, Outputs } = mergeTemplates('HasFanOut', withMail(true), withMail(false));
  const definitions = Object.entries(PARAMETERS).map(([name, { definition }]) => [name, definition]);
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: `s3-log-rollup ${version}: rolls hours of raw S3 logs up into 32 MiB outputs`,
    Parameters: { ...(Object.fromEntries(definitions) as JsonObject), ...CHOICES },
    Conditions: CONDITIONS,
    Resources: referToParameters(withKeys(withoutMetadata(withCodec(Resources ?? {})))),
    Outputs: referToParameters(Outputs ?? {}),
  };
}

/** Values in place of the Parameters. */
export interface Values extends Record<keyof typeof PARAMETERS, string> {
  codec: 'keep' | 'none' | 'gzip' | 'zstd';
  minute: number;
}

/** Texts that stand for the Parameters, and are found again in what is synthesised. */
const STANDS: Values = {
  ...(Object.fromEntries(Object.entries(PARAMETERS).map(([name, { stand }]) => [name, stand])) as Record<
    keyof typeof PARAMETERS,
    string
  >),
  codec: 'keep',
  minute: MINUTE,
};

/** The template of the stack with these values. */
export function synthesise({ fanOut, alarmEmail }: Features, values: Values = STANDS): JsonObject {
  const outdir = mkdtempSync(join(tmpdir(), 's3-log-rollup-template-'));
  const app = new App({ analyticsReporting: false, treeMetadata: false, outdir });
  // A stack that is in no app that is synthesised: only the bucket's name is asked for.
  const elsewhere = Bucket.fromBucketName(new Stack(), 'Code', values.CodeBucket);
  const stack = new LogRollupStack(app, STACK_NAME, {
    // CDK declares its fields as possibly undefined, and as optional.
    synthesizer: new BootstraplessSynthesizer() as IStackSynthesizer,
    code: Code.fromBucket(elsewhere, values.FunctionKey),
    stepsCode: Code.fromBucket(elsewhere, values.StepsKey),
    settings: {
      rawBucketName: values.RawBucket,
      rawRoot: values.RawRoot,
      aggregatedBucketName: values.AggregatedBucket,
      aggregatedRoot: values.AggregatedRoot,
      streams: [{ name: 'default', source: values.SourcePattern, minute: values.minute }],
      codec: values.codec,
      fanOut,
      ...(values.RawKmsKeyArn === '' ? {} : { rawKmsKeyArn: values.RawKmsKeyArn }),
      ...(values.AggregatedKmsKeyArn === '' ? {} : { aggregatedKmsKeyArn: values.AggregatedKmsKeyArn }),
      ...(alarmEmail ? { alarmEmail: values.AlarmEmail } : {}),
    },
  });
  // Its id is made from the address otherwise.
  for (const one of stack.node.findAll())
    if (one instanceof CfnSubscription) one.overrideLogicalId('AlarmSubscription');
  try {
    return app.synth().getStackByName(STACK_NAME).template as JsonObject;
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

/** Resources in which the functions' variable refers to the Parameter. */
function withCodec(part: Json): Json {
  if (Array.isArray(part)) return part.map(withCodec);
  if (part === null || typeof part !== 'object') return part;
  return Object.fromEntries(
    Object.entries(part).map(([name, value]) => [
      name,
      name === 'CODEC' ? { Ref: 'Codec' } : withCodec(value),
    ]),
  );
}

/** The condition by which each key's Parameter is given. */
const KEYS = { RawKmsKeyArn: 'HasRawKmsKey', AggregatedKmsKeyArn: 'HasAggregatedKmsKey' } as const;

/**
 * Resources in which the statements that permit the use of a key depend on whether there is one. Statements are all that a key
 * brings: to synthesise with and without each of them, as with other features, would take four times as long.
 */
function withKeys(part: Json): Json {
  if (part === null || typeof part !== 'object') return part;
  if (!Array.isArray(part))
    return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, withKeys(value)]));
  return part.map((item) => {
    const isStatement = item !== null && typeof item === 'object' && 'Effect' in item && 'Resource' in item;
    if (!isStatement) return withKeys(item);
    const names = Object.keys(KEYS) as (keyof typeof KEYS)[];
    const name = names.find((key) => JSON.stringify(item).includes(STANDS[key]));
    return name === undefined ? item : { 'Fn::If': [KEYS[name], item, { Ref: 'AWS::NoValue' }] };
  });
}

/** Resources without what CDK notes for itself. */
function withoutMetadata(resources: Json): Json {
  if (resources === null || typeof resources !== 'object' || Array.isArray(resources)) return resources;
  return Object.fromEntries(
    Object.entries(resources).map(([id, resource]) => {
      const kept = Object.entries(resource as JsonObject).filter(([name]) => name !== 'Metadata');
      return [id, Object.fromEntries(kept)];
    }),
  );
}
