import type { Code } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { DEFAULT_SETTINGS } from '../lambda/settings/settings.ts';
import type { CapacityProps } from './config/capacity.ts';
import { type Capacity, capacitySchema, refuseTooLittleMemory } from './config/capacity.ts';
import type { EngineProps } from './config/engine.ts';
import { type Engine, engineSchema } from './config/engine.ts';
import { InvalidConfiguration, formatIssues } from './config/invalid-configuration.ts';
import type { LogBucket, Root } from './config/root.ts';
import type { StreamProps } from './config/streams.ts';

import { formatRoot, prefixSchema, prefixesOverlap } from './config/root.ts';
import { DEFAULT_STREAMS, streamsSchema } from './config/streams.ts';

export const DEFAULT_RAW_ROOT = 'raw/';
export const DEFAULT_AGGREGATED_ROOT = 'aggregated/';

/** A stream with its whole template, whose bucket may be a token. */
export interface RootedStream {
  readonly name: string;
  /** The template below the raw root. */
  readonly path: string;
  readonly source: string;
  readonly minute: number;
}

export interface ParsedLogRollupProps {
  readonly raw: Root;
  readonly aggregated: Root;
  readonly streams: readonly RootedStream[];
  readonly engine: Engine;
  readonly capacity: Capacity;
}

/** Throws `InvalidConfiguration`. Names of buckets are compared as they are given, tokens included. */
export function parseLogRollupProps(props: LogRollupProps): ParsedLogRollupProps {
  const raw = { bucket: props.rawBucket, prefix: props.rawRoot ?? DEFAULT_RAW_ROOT };
  const aggregated = {
    bucket: props.aggregatedBucket ?? props.rawBucket,
    prefix: props.aggregatedRoot ?? DEFAULT_AGGREGATED_ROOT,
  };
  const { memorySize, timeoutSeconds, reservedConcurrency, directConcurrency } = props;
  const capacity = capacitySchema.safeParse({
    memorySize,
    timeoutSeconds,
    reservedConcurrency,
    directConcurrency,
  });
  const engine = engineSchema.safeParse(props.engine ?? {});
  const memory = capacitySchema
    .superRefine((sound, context) => {
      refuseTooLittleMemory(sound, engine.data ?? {}, context);
    })
    .safeParse(capacity.data ?? {});
  const streams = streamsSchema(
    formatRoot(raw),
    engine.data?.graceSeconds ?? DEFAULT_SETTINGS.graceSeconds,
  ).safeParse(props.streams ?? DEFAULT_STREAMS);
  const problems = [
    ...formatIssues(prefixSchema.safeParse(raw.prefix).error?.issues ?? [], ['rawRoot']),
    ...formatIssues(prefixSchema.safeParse(aggregated.prefix).error?.issues ?? [], ['aggregatedRoot']),
    ...overlapProblems(raw, aggregated),
    ...formatIssues(capacity.error?.issues ?? []),
    ...formatIssues(memory.error?.issues ?? []),
    ...formatIssues(engine.error?.issues ?? [], ['engine']),
    ...formatIssues(streams.error?.issues ?? [], ['streams']),
  ];
  if (problems.length > 0 || !capacity.success || !engine.success || !streams.success) {
    throw new InvalidConfiguration('Invalid LogRollup properties', problems);
  }
  const rooted = streams.data.map(({ name, path, minute }) => ({
    name,
    path,
    source: `${formatRoot(raw)}${path}`,
    minute,
  }));
  return { raw, aggregated, streams: rooted, engine: engine.data, capacity: capacity.data };
}

function overlapProblems(raw: Root, aggregated: Root): string[] {
  if (raw.bucket.bucketName !== aggregated.bucket.bucketName) return [];
  if (!prefixesOverlap(raw.prefix, aggregated.prefix)) return [];
  return [`aggregatedRoot: "${aggregated.prefix}" and rawRoot "${raw.prefix}" overlap in one bucket`];
}

export interface LogRollupProps extends CapacityProps {
  /**
   * Where raw logs are. A bucket with an `encryptionKey` gets the function permission to use the key; the policies
   * of buckets and keys themselves are left alone.
   */
  readonly rawBucket: LogBucket;
  /** Default: `raw/`. */
  readonly rawRoot?: string | undefined;
  /** Default: the raw bucket. */
  readonly aggregatedBucket?: LogBucket | undefined;
  /** Default: `aggregated/`. */
  readonly aggregatedRoot?: string | undefined;
  /** Default: one stream, `{yyyy}{MM}{dd}/{HH}/` under the raw root. */
  readonly streams?: readonly StreamProps[] | undefined;
  readonly engine?: EngineProps | undefined;
  /** Default: a month. */
  readonly logRetention?: RetentionDays | undefined;
  /** X-Ray. Default: off. */
  readonly tracing?: boolean | undefined;
  /** Takes every alarm, and its end. Default: alarms without actions. */
  readonly alarmTopic?: ITopic | undefined;
  /** Where docs/runbook.md can be read; alarms link to its sections. Default: `docs/runbook.md`. */
  readonly runbookUrl?: string | undefined;
  /** Value of the metrics' `service` dimension, unique in account and region. Default: made from the construct's path. */
  readonly serviceName?: string | undefined;
  /** The handler's source. Default: lambda/handler.ts of this package. */
  readonly entry?: string | undefined;
  /** Code that was bundled already, instead of `entry`; its handler is `index.handler`. */
  readonly code?: Code | undefined;
}
