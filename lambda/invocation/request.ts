import {
  type Hour,
  type Location,
  fillHour,
  formatHour,
  formatLocation,
  hasPlaceholders,
  hourBefore,
  hourEnd,
  parseHour,
  parseLocation,
  refuseOverlap,
} from '../rollup/index.ts';
import { z } from 'zod';
import { RollupError } from '../errors.ts';
import { METRICS } from '../names.ts';
import type { FunctionConfig } from './environment.ts';
import { noSuchStream, settleStream } from './match-stream.ts';
import { type RequestMessage, messageSchema } from './message.ts';
import type { Stream } from './streams.ts';

/** A request that may be carried out. */
export interface ResolvedRequest {
  source: Location;
  destination: Location;
  hour: Hour | undefined;
  repack: boolean;
  deleteSource: boolean;
  lookBack: boolean;
  stream: string;
  /** That it is an hour of; absent where it is for a prefix that is none. */
  configured: Stream | undefined;
  message: RequestMessage;
}

const sqsSchema = z.object({
  Records: z.array(z.object({ messageId: z.string(), body: z.string() })).min(1),
});
const deliverySchema = z.object({
  Records: z.array(
    z.object({
      receiptHandle: z.string(),
      attributes: z.object({ ApproximateReceiveCount: z.coerce.number().int().positive() }),
    }),
  ),
});
// https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
const executionSchema = z.object({
  'detail-type': z.literal('Step Functions Execution Status Change'),
  detail: z.object({ input: z.string() }),
});
const eventBridgeSchema = z.object({ 'detail-type': z.string(), detail: z.unknown() });

/**
 * SQS records, an EventBridge event whose detail is a request, or a request itself -> requests.
 * Throws `InvalidRequest`.
 */
export function parseEvent(event: unknown): RequestMessage[] {
  const sqs = sqsSchema.safeParse(event);
  if (sqs.success)
    return sqs.data.Records.map(({ messageId, body }) => parseMessage(parseBody(body, messageId)));
  const eventBridge = eventBridgeSchema.safeParse(event);
  return [parseMessage(eventBridge.success ? eventBridge.data.detail : event)];
}

/** What is known of the messages of an event as SQS gave them; none where they came another way. */
export function deliveriesOf(event: unknown): { receiptHandle: string; receives: number }[] {
  const records = deliverySchema.safeParse(event).data?.Records ?? [];
  return records.map(({ receiptHandle, attributes }) => ({
    receiptHandle,
    receives: attributes.ApproximateReceiveCount,
  }));
}

/** Of SQS records, in their order; empty for other events. */
export function messageIdsOf(event: unknown): string[] {
  return sqsSchema.safeParse(event).data?.Records.map(({ messageId }) => messageId) ?? [];
}

function parseBody(body: string, messageId: string): unknown {
  try {
    return failedRequestOf(JSON.parse(body));
  } catch (cause) {
    throw new RollupError('InvalidRequest', `Message ${messageId} is not JSON: ${body.slice(0, 200)}`, {
      cause,
    });
  }
}

/** A dead letter of the state machine is EventBridge's notice of the execution: its input is the request. */
function failedRequestOf(body: unknown): unknown {
  const notice = executionSchema.safeParse(body);
  return notice.success ? JSON.parse(notice.data.detail.input) : body;
}

function parseMessage(message: unknown): RequestMessage {
  const parsed = messageSchema.safeParse(message);
  if (parsed.success) return parsed.data;
  const why = z.prettifyError(parsed.error).replace(/\s*\n\s*/g, ' ');
  const shown = JSON.stringify(message ?? null).slice(0, 500);
  throw new RollupError('InvalidRequest', `Not a request: ${why}. It was: ${shown}`);
}

/**
 * Fills in the hour, the source and the destination. Throws `InvalidArgument` for what is malformed, `OutsideRoot` and
 * `OutsideStream` for a source or destination that this deployment is not for, `HourNotEnded`.
 */
export function resolveRequest(message: RequestMessage, config: FunctionConfig, now: Date): ResolvedRequest {
  const { rawRoot, aggregatedRoot, settings, streams } = config;
  const givenHour = hourOfMessage(message);
  const source = parseLocation(fill(message.source ?? templateOf(message.stream, streams), givenHour));
  requireInside(source, rawRoot, 'Source');
  const given =
    message.destination === undefined ? undefined : parseLocation(fill(message.destination, givenHour));
  if (given !== undefined) requireInside(given, aggregatedRoot, 'Destination');
  const asked = { source, destination: given, hour: givenHour, message };
  const { stream: configured, hour } = settleStream(asked, streams, settings.allowAnyPrefix);
  const { bucket, prefix } = aggregatedRoot;
  const destination = given ?? { bucket, prefix: prefix + source.prefix.slice(rawRoot.prefix.length) };
  refuseOverlap(source, destination);
  if (hour !== undefined && message.force !== true) refuseUnended(hour, settings.graceSeconds, now);
  const { repack = false, lookBack = false, stream = METRICS.unnamedStream } = message;
  const deleteSource = mayDelete(message, settings.deleteSource, configured);
  return { source, destination, hour, repack, deleteSource, lookBack, stream, configured, message };
}

/** Of the stream that a message without a source names. Throws `OutsideStream` where there is none. */
function templateOf(name = '', streams: readonly Stream[]): string {
  const named = streams.find((stream) => stream.name === name);
  if (named === undefined) throw noSuchStream(name, streams);
  return named.source;
}

/** Throws `InvalidRequest` where a message asks for deletes that are not to be had. */
function mayDelete(
  { deleteSource }: RequestMessage,
  deployed: boolean,
  configured: Stream | undefined,
): boolean {
  if (deleteSource === true && !deployed) throw refusedDelete();
  if (deleteSource === true && configured === undefined) throw refusedDeleteOutside();
  return configured !== undefined && (deleteSource ?? deployed);
}

/** The message that lets another invocation go on where this one stopped: the hour is settled, whatever the clock says. */
export function continuationOf({ source, destination, hour, message }: ResolvedRequest): RequestMessage {
  const { repack, force, deleteSource, lookBack, stream, continuation = 0 } = message;
  return {
    source: formatLocation(source),
    destination: formatLocation(destination),
    ...(hour === undefined ? {} : { hour }),
    ...(repack === undefined ? {} : { repack }),
    ...(force === undefined ? {} : { force }),
    ...(deleteSource === undefined ? {} : { deleteSource }),
    ...(lookBack === undefined ? {} : { lookBack }),
    ...(stream === undefined ? {} : { stream }),
    continuation: continuation + 1,
  };
}

/** Whoever may send a message could otherwise have raw logs deleted. */
function refusedDelete(): RollupError {
  return new RollupError(
    'InvalidRequest',
    '"deleteSource": true is refused: this deployment does not delete raw logs. Deploy it with deleteSource, or leave the field out.',
  );
}

function refusedDeleteOutside(): RollupError {
  return new RollupError(
    'InvalidRequest',
    '"deleteSource": true is refused: the request is for no hour of a stream, and only of those are raw logs deleted. Leave the field out.',
  );
}

function hourOfMessage({ hour, scheduledTime }: RequestMessage): Hour | undefined {
  if (hour !== undefined) return parseHour(hour);
  if (scheduledTime === undefined) return undefined;
  // 2026-11-21T09:10:00Z -> 2026-11-21T08
  return hourBefore(formatHour(new Date(scheduledTime)), 1);
}

function fill(template: string, hour: Hour | undefined): string {
  if (hour !== undefined) return fillHour(template, hour);
  if (!hasPlaceholders(template)) return template;
  throw new RollupError(
    'InvalidRequest',
    `"${template}" has placeholders, but there is no "hour" or "scheduledTime".`,
  );
}

/** Throws `OutsideRoot`. */
export function requireInside(location: Location, root: Location, what: string): void {
  if (location.bucket === root.bucket && location.prefix.startsWith(root.prefix)) return;
  throw new RollupError(
    'OutsideRoot',
    `${what} ${formatLocation(location)} is not under ${formatLocation(root)}, which this function is deployed for.`,
  );
}

function refuseUnended(hour: Hour, graceSeconds: number, now: Date): void {
  const from = new Date(hourEnd(hour).getTime() + graceSeconds * 1000);
  if (now >= from) return;
  throw new RollupError(
    'HourNotEnded',
    `Hour ${hour} may still be written to: it is rolled up from ${from.toISOString()} on. Give "force": true to do it now.`,
  );
}
