import type { Json, JsonObject } from './merge.ts';

/** A Parameter of the template, and the text that stands for it while the constructs are synthesised. */
interface Parameter {
  /** Unlike anything else in the template; checked like a value that a user gives. */
  stand: string;
  definition: JsonObject;
}

const BUCKET = { Type: 'String', AllowedPattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$' };
const ROOT = {
  Type: 'String',
  // As `prefixSchema` of lib/config/root.ts, for what can be said in one expression.
  AllowedPattern: '^(([^/*?{}$"\\\\]+/)*)$',
  ConstraintDescription: 'must be empty or end with a slash, and have no empty segment and none of * ? { } $',
};

const KEY = {
  Type: 'String',
  Default: '',
  AllowedPattern: '^(arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$',
  ConstraintDescription: 'must be the ARN of a KMS key, not an alias, or empty',
};

/** The Parameters that stand for texts, in the order in which they are shown. */
export const PARAMETERS = {
  RawBucket: {
    stand: 'raw-bucket-parameter',
    definition: { ...BUCKET, Description: 'Existing bucket of raw logs' },
  },
  RawRoot: {
    stand: 'raw-root-parameter/',
    definition: {
      ...ROOT,
      Default: 'raw/',
      Description: 'Prefix that every source is under; empty for the whole bucket',
    },
  },
  SourcePattern: {
    stand: 'source-pattern-parameter/{yyyy}{MM}{dd}/{HH}/',
    definition: {
      Type: 'String',
      Default: '{yyyy}{MM}{dd}/{HH}/',
      AllowedPattern: '^([^{}*?"\\\\]|\\{yyyy\\}|\\{MM\\}|\\{dd\\}|\\{HH\\})+$',
      ConstraintDescription: 'must have {yyyy}, {MM}, {dd} and {HH}, and no other placeholders',
      Description: 'Prefix of an hour below the raw root, such as checkout/{yyyy}{MM}{dd}/{HH}/',
    },
  },
  AggregatedBucket: {
    stand: 'aggregated-bucket-parameter',
    definition: { ...BUCKET, Description: 'Existing bucket for rollups; it may be that of raw logs' },
  },
  AggregatedRoot: {
    stand: 'aggregated-root-parameter/',
    definition: {
      ...ROOT,
      Default: 'aggregated/',
      Description: 'Prefix that every rollup is under; in one bucket neither root may lie inside the other',
    },
  },
  RawKmsKeyArn: {
    stand: 'arn:aws:kms:eu-west-1:111122223333:key/raw-key-parameter',
    definition: {
      ...KEY,
      Description: 'KMS key that raw logs are encrypted with, in the region of the stack; empty for none',
    },
  },
  AggregatedKmsKeyArn: {
    stand: 'arn:aws:kms:eu-west-1:111122223333:key/aggregated-key-parameter',
    definition: {
      ...KEY,
      Description: 'KMS key of the bucket for rollups, also where it is that of raw logs; empty for none',
    },
  },
  AlarmEmail: {
    stand: 'alarm-email-parameter@example.com',
    definition: {
      Type: 'String',
      Default: '',
      Description: 'Address that alarms are sent to; empty for none',
    },
  },
  CodeBucket: {
    stand: 'code-bucket-parameter',
    definition: {
      ...BUCKET,
      Description: 'Bucket, in the region of the stack, in which function.zip and steps.zip lie',
    },
  },
  FunctionKey: {
    stand: 'function-key-parameter',
    definition: { Type: 'String', Description: 'Key of function.zip; another key for every release' },
  },
  StepsKey: {
    stand: 'steps-key-parameter',
    definition: { Type: 'String', Description: 'Key of steps.zip; another key for every release' },
  },
} satisfies Record<string, Parameter>;

/** Parameters whose values are no free text. */
export const CHOICES: JsonObject = {
  Codec: {
    Type: 'String',
    Default: 'keep',
    AllowedValues: ['keep', 'none', 'gzip', 'zstd'],
    Description:
      'keep joins sources as they are; with the others they are decoded, and outputs are of that format',
  },
  ScheduleMinute: {
    Type: 'Number',
    Default: 10,
    MinValue: 5,
    MaxValue: 59,
    Description: 'Minute of every hour at which the hour before is rolled up',
  },
  FanOut: {
    Type: 'String',
    Default: 'false',
    AllowedValues: ['true', 'false'],
    Description:
      'Have large hours carried out by a Step Functions Distributed Map; takes 22 of the reserved concurrency',
  },
};

/** The name of the stack while it is synthesised: its functions' metrics and its state machine are named after it. */
export const STACK_NAME = 'StackNameParameter';
/** The minute while it is synthesised. */
export const MINUTE = 59;

/** Texts in the synthesised template, and what is to be in their place. Surrounding text goes along where it tells one from another. */
const STANDS: [text: string, ...parts: Json[]][] = [
  ...Object.entries(PARAMETERS).map(([name, { stand }]): [string, ...Json[]] => [stand, { Ref: name }]),
  [STACK_NAME, { Ref: 'AWS::StackName' }],
  [`cron(${MINUTE} `, 'cron(', { Ref: 'ScheduleMinute' }, ' '],
  [`"minute":${MINUTE}`, '"minute":', { Ref: 'ScheduleMinute' }],
];

/** A part of the template in which Parameters are referred to in place of what stood for them. */
export function referToParameters(part: Json): Json {
  if (typeof part === 'string') return joined([part]);
  if (Array.isArray(part)) return part.map(referToParameters);
  if (part === null || typeof part !== 'object') return part;
  const join = part['Fn::Join'];
  if (Array.isArray(join) && join[0] === '' && Array.isArray(join[1])) return joined(join[1]);
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, referToParameters(value)]));
}

/** Texts and references, one behind the other. */
function joined(parts: Json[]): Json {
  const split = STANDS.reduce<Json[]>(
    (before, [text, ...instead]) =>
      before.flatMap((part) => (typeof part === 'string' ? between(part.split(text), instead) : [part])),
    parts.map((part) => (typeof part === 'string' ? part : referToParameters(part))),
  );
  const whole = split
    .filter((part) => part !== '')
    .reduce<Json[]>((list, part) => {
      const last = list.at(-1);
      return typeof last === 'string' && typeof part === 'string'
        ? [...list.slice(0, -1), last + part]
        : [...list, part];
    }, []);
  const [only = ''] = whole;
  return whole.length <= 1 ? only : { 'Fn::Join': ['', whole] };
}

function between(texts: string[], separator: Json[]): Json[] {
  return texts.flatMap((text, i) => (i === 0 ? [text] : [...separator, text]));
}
