import { RollupError } from '../../lambda/errors.ts';
import { type RequestMessage, resolveRequest } from '../../lambda/request.ts';
import { type Hour, hasPlaceholders, hourEnd } from '../../lambda/rollup/hour.ts';
import { formatLocation } from '../../lambda/rollup/location.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings.ts';
import { refuseGlob, refuseIdleHour } from '../locations.ts';
import type { Deployment } from './deployment.ts';

/** What `rerun` and `backfill` are typed with. */
export interface TypedRequest {
  source: string;
  destination?: string | undefined;
  stream?: string | undefined;
  force?: true | undefined;
  repack?: true | undefined;
}

export interface BuiltRequest {
  message: RequestMessage;
  /** `s3://bucket/prefix/`, filled. */
  source: string;
  /** Likewise; undefined where only the function knows. */
  destination: string | undefined;
}

/**
 * The message that the function is sent. What it would refuse is refused here, before it is queued: throws
 * `InvalidArgument`, `HourNotEnded`, and `OutsideRoot` where the stack tells of its roots.
 */
export function buildRequest(
  { source, destination, stream, force, repack }: TypedRequest,
  hour: Hour | undefined,
  deployment: Deployment | undefined,
  now: Date,
): BuiltRequest {
  for (const uri of [source, destination ?? '']) refuseGlob(uri);
  if (hour !== undefined) refuseIdleHour(hour, [source, destination ?? '']);
  const name = stream ?? deployment?.streams.find((known) => known.source === source)?.name;
  const message: RequestMessage = {
    source,
    ...(hour === undefined ? {} : { hour }),
    ...(destination === undefined ? {} : { destination }),
    ...(name === undefined ? {} : { stream: name }),
    ...(force === undefined ? {} : { force }),
    ...(repack === undefined ? {} : { repack }),
  };
  if (hour === undefined && [source, destination ?? ''].some(hasPlaceholders)) {
    throw new RollupError('InvalidArgument', `--hour is missing: it fills the placeholders of "${source}".`);
  }
  if (hour !== undefined && force === undefined && now < hourEnd(hour)) {
    throw new RollupError('HourNotEnded', `Hour ${hour} goes on. Give --force to roll up what is there now.`);
  }
  const anywhere = {
    rawRoot: { bucket: bucketOf(source), prefix: '' },
    aggregatedRoot: { bucket: bucketOf(destination ?? ''), prefix: '' },
  };
  const roots = deployment?.roots ?? anywhere;
  const resolved = resolveRequest(
    message,
    { ...roots, settings: { ...DEFAULT_SETTINGS, graceSeconds: 0 }, queueUrl: undefined },
    now,
  );
  const known = destination !== undefined || deployment !== undefined;
  return {
    message,
    source: formatLocation(resolved.source),
    destination: known ? formatLocation(resolved.destination) : undefined,
  };
}

function bucketOf(uri: string): string {
  return /^s3:\/\/([^/]*)/.exec(uri)?.[1] ?? '';
}
