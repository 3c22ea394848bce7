import {
  type Hour,
  type Location,
  asFolder,
  fillHour,
  formatHour,
  formatLocation,
  hasPlaceholders,
  hourBefore,
  hourEnd,
  parseHour,
  parseLocation,
  parseSource,
  refuseForeign,
  refuseOverlap,
} from '../rollup/index.ts';
import { z } from 'zod';
import { RollupError } from '../errors.ts';
import { METRICS } from '../names.ts';
import type { FunctionConfig } from './environment.ts';
import { matchStream, noSuchStream } from './match-stream.ts';
import { type RequestMessage, messageSchema } from './message.ts';
import { type Stream, replaceRoot } from './streams.ts';

/** A request that may be carried out: its hour has ended, and source and destination are within the roots. */
export interface ResolvedRequest {
  source: Location;
  destination: Location;
  /** What a stream's pattern takes in must not depend on what lies there when its hour is rolled up first. */
  asWritten: true;
  hour: Hour | undefined;
  repack: boolean;
  /** As the request itself says; undefined where it does not. */
  deleteSource: boolean | undefined;
  /** True where the deployment deletes sources, and the request is for an hour of a stream. */
  mayDelete: boolean;
  lookBack: boolean;
  /** Name of the stream as the message gives it; otherwise `METRICS.unnamedStream`. */
  stream: string;
  /** The stream that it is an hour of; undefined where it is for a prefix that is none. */
  configured: Stream | undefined;
  message: RequestMessage;
}

/** Advice for a request whose hour is not known, where filters need one. */
export const GIVE_HOUR = 'give "hour" with the request';

/** One request of an event, as it was delivered; it is not checked yet. */
export interface Delivery {
  /** Id of the SQS message; undefined for other events. */
  messageId?: string;
  /** JSON text where it came by SQS, otherwise the value itself. */
  body: unknown;
  /** Receipt of the SQS message, by which it can be made visible again. */
  receipt?: {
    handle: string;
    /** The number of deliveries so far, this one included. */
    receives: number;
  };
}

// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
const recordSchema = z.object({
  messageId: z.string(),
  body: z.string(),
  receiptHandle: z.string().optional().catch(undefined),
  attributes: z
    .object({ ApproximateReceiveCount: z.coerce.number().int().positive() })
    .optional()
    .catch(undefined),
});
const sqsSchema = z.object({ Records: z.array(recordSchema).min(1) });
// https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
const executionSchema = z.object({
  'detail-type': z.literal('Step Functions Execution Status Change'),
  detail: z.object({ input: z.string() }),
});
const eventBridgeSchema = z.object({ 'detail-type': z.string(), detail: z.unknown() });

/** The requests of SQS records, of an EventBridge event whose detail is a request, or of a request itself. */
export function deliveriesOf(event: unknown): Delivery[] {
  const sqs = sqsSchema.safeParse(event);
  if (sqs.success) return sqs.data.Records.map(deliveryOf);
  const eventBridge = eventBridgeSchema.safeParse(event);
  return [{ body: eventBridge.success ? eventBridge.data.detail : event }];
}

function deliveryOf({ messageId, body, receiptHandle, attributes }: z.infer<typeof recordSchema>): Delivery {
  if (receiptHandle === undefined || attributes === undefined) return { messageId, body };
  const receipt = { handle: receiptHandle, receives: attributes.ApproximateReceiveCount };
  return { messageId, body, receipt };
}

/**
 * Checks a request.
 *
 * @throws RollupError `InvalidRequest`
 */
export function parseDelivery({ messageId, body }: Delivery): RequestMessage {
  return parseMessage(messageId === undefined ? body : parseBody(String(body), messageId));
}

/**
 * The requests of an event, checked.
 *
 * @throws RollupError `InvalidRequest`
 */
export function parseEvent(event: unknown): RequestMessage[] {
  return deliveriesOf(event).map(parseDelivery);
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

/** Returns the request in EventBridge's notice of a failed execution, which is its dead letter; other bodies as they are. */
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
 * Fills in the hour, the source and the destination of a request, and refuses one that may not be carried out.
 *
 * @throws RollupError `InvalidArgument` for a malformed prefix or hour; `InvalidRequest`; `OutsideRoot` and `OutsideStream`
 * for a source or destination that this deployment is not for; `HourNotEnded`
 */
export function resolveRequest(message: RequestMessage, config: FunctionConfig, now: Date): ResolvedRequest {
  const { rawRoot, aggregatedRoot, settings, streams } = config;
  const givenHour = hourOfMessage(message);
  const written = parseSource(fill(message.source ?? templateOf(message.stream, streams), givenHour));
  // The raw root may be written without its slash.
  const isRoot = formatLocation(asFolder(written)) === formatLocation(rawRoot);
  const within = isRoot ? rawRoot : written;
  requireInside(within, rawRoot, 'Source');
  const given =
    message.destination === undefined ? undefined : parseLocation(fill(message.destination, givenHour));
  if (given !== undefined) requireInside(given, aggregatedRoot, 'Destination');
  const filled = { source: within, destination: given, hour: givenHour, message };
  const match = matchStream(filled, streams, settings.allowAnyPrefix);
  const { source, stream: configured, hour } = match;
  const destination = given ?? replaceRoot(config, source);
  refuseOverlap(source, destination);
  if (hour !== undefined && message.force !== true) refuseUnended(hour, settings.graceSeconds, now);
  const { repack = false, lookBack = false, stream = METRICS.unnamedStream } = message;
  const { deleteSource } = message;
  const mayDelete = canDelete(message, settings.deleteSource, configured);
  const place = { source, destination, asWritten: true as const };
  const resolved = { ...place, hour, repack, deleteSource, mayDelete, lookBack };
  return { ...resolved, stream, configured, message };
}

/** The source of the stream that a message names. Throws `OutsideStream` where there is no such stream. */
function templateOf(name = '', streams: readonly Stream[]): string {
  const named = streams.find((stream) => stream.name === name);
  if (named === undefined) throw noSuchStream(name, streams);
  return named.source;
}

/**
 * True where the sources may be deleted after the commit. Throws `InvalidRequest` for a message that asks for it where the
 * deployment does not delete, or for a prefix that is no hour of a stream.
 */
function canDelete(
  { deleteSource }: RequestMessage,
  deployed: boolean,
  configured: Stream | undefined,
): boolean {
  if (deleteSource === true && !deployed) throw refusedDelete();
  if (deleteSource === true && configured === undefined) throw refusedDeleteOutside();
  return configured !== undefined && deployed;
}

/** The message that lets another invocation continue the request: with its hour, not the time that it was scheduled at. */
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

/** Whoever may send a message could otherwise delete raw logs of a deployment that keeps them. */
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
  refuseForeign(template);
  if (!hasPlaceholders(template)) return template;
  throw new RollupError(
    'InvalidRequest',
    `"${template}" has placeholders, but there is no "hour" or "scheduledTime".`,
  );
}

/** Throws `OutsideRoot`. `what` begins the message: `Source`. */
export function requireInside(location: Location, root: Location, what: string): void {
  if (location.bucket === root.bucket && location.prefix.startsWith(root.prefix)) return;
  throw new RollupError(
    'OutsideRoot',
    `${what} ${formatLocation(location)} is not under ${formatLocation(root)}, which this function is deployed for.`,
  );
}

/** Throws `HourNotEnded` until `graceSeconds` after the end of the hour. */
function refuseUnended(hour: Hour, graceSeconds: number, now: Date): void {
  const from = new Date(hourEnd(hour).getTime() + graceSeconds * 1000);
  if (now >= from) return;
  throw new RollupError(
    'HourNotEnded',
    `Hour ${hour} may still be written to: it is rolled up from ${from.toISOString()} on. Give "force": true to do it now.`,
  );
}
