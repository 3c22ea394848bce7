import { type Hour, bucketOf, formatLocation, hasPlaceholders, hourEnd } from '../../lambda/rollup/index.ts';
import { RollupError } from '../../lambda/errors.ts';
import { noSuchStream } from '../../lambda/invocation/match-stream.ts';
import { type RequestMessage } from '../../lambda/invocation/message.ts';
import { resolveRequest } from '../../lambda/invocation/request.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { refuseGlob, refuseIdleHour } from '../options/locations.ts';
import type { Deployment } from './deployment.ts';
import { requireOneOf } from './options.ts';

/** The options of `rerun` and `backfill` that say which hours are meant. */
export interface TypedRequest {
  source?: string | undefined;
  destination?: string | undefined;
  stream?: string | undefined;
  force?: true | undefined;
  repack?: true | undefined;
}

export interface BuiltRequest {
  message: RequestMessage;
  /** `s3://bucket/prefix/`, filled. */
  source: string;
  /** Likewise; undefined if only the function knows it. */
  destination: string | undefined;
}

/** Checks options by themselves, before the deployment is looked up. Throws `InvalidArgument` and `HourNotEnded`. */
export function refuseBadRequest(
  typed: TypedRequest & { stack?: string | undefined },
  hour: Hour | undefined,
  now: Date,
): void {
  const { source, stream, stack, force } = typed;
  if (source !== undefined) {
    buildRequest(typed, hour, undefined, now);
    return;
  }
  requireOneOf({ '--source': source, '--stream': stream });
  if (stack === undefined) {
    const message = '--stream without --source needs --stack, which tells where the stream lies.';
    throw new RollupError('InvalidArgument', message);
  }
  if (hour === undefined) {
    throw new RollupError('InvalidArgument', `--hour is missing: which one of stream ${stream ?? ''}?`);
  }
  refuseUnended(hour, force, now);
}

/**
 * Builds the message for the function. A request that the function would refuse is refused here, before it is queued:
 * throws `InvalidArgument`, `HourNotEnded` and, if the stack's outputs have its roots and streams, `OutsideRoot` and
 * `OutsideStream`.
 */
export function buildRequest(
  typed: TypedRequest,
  hour: Hour | undefined,
  deployment: Deployment | undefined,
  now: Date,
): BuiltRequest {
  const { destination, stream, force, repack } = typed;
  const source = typed.source ?? sourceOf(stream, deployment);
  for (const uri of [source, destination ?? '']) refuseGlob(uri);
  if (hour !== undefined) refuseIdleHour(hour, [source, destination ?? '']);
  if (hour === undefined && [source, destination ?? ''].some(hasPlaceholders)) {
    throw new RollupError('InvalidArgument', `--hour is missing: it fills the placeholders of "${source}".`);
  }
  if (hour !== undefined) refuseUnended(hour, force, now);
  const message: RequestMessage = {
    source,
    ...(hour === undefined ? {} : { hour }),
    ...(destination === undefined ? {} : { destination }),
    ...(stream === undefined ? {} : { stream }),
    ...(force === undefined ? {} : { force }),
    ...(repack === undefined ? {} : { repack }),
  };
  const anywhere = {
    rawRoot: { bucket: bucketOf(source), prefix: '' },
    aggregatedRoot: { bucket: bucketOf(destination ?? ''), prefix: '' },
  };
  const { roots = anywhere, streams = [], allowAnyPrefix = true } = deployment ?? {};
  const settings = { ...DEFAULT_SETTINGS, allowAnyPrefix };
  // The end of the hour was checked above, in the command line's words.
  const resolved = resolveRequest(
    { ...message, force: true },
    { ...roots, streams, settings, queueUrl: undefined },
    now,
  );
  if (resolved.hour !== undefined) refuseUnended(resolved.hour, force, now);
  const known = destination !== undefined || deployment !== undefined;
  const name = stream ?? resolved.configured?.name;
  return {
    message: { ...message, ...(name === undefined ? {} : { stream: name }) },
    source: formatLocation(resolved.source),
    destination: known ? formatLocation(resolved.destination) : undefined,
  };
}

function sourceOf(stream = '', deployment: Deployment | undefined): string {
  const { streams = [] } = deployment ?? {};
  const known = streams.find(({ name }) => name === stream);
  if (known === undefined) throw noSuchStream(stream, streams);
  return known.source;
}

function refuseUnended(hour: Hour, force: true | undefined, now: Date): void {
  if (force !== undefined || now >= hourEnd(hour)) return;
  throw new RollupError('HourNotEnded', `Hour ${hour} goes on. Give --force to roll up what is there now.`);
}
