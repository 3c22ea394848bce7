import { formatLocation } from '../../lambda/rollup/index.ts';
import type { FunctionConfig } from '../../lambda/invocation/environment.ts';
import type { RequestMessage } from '../../lambda/invocation/message.ts';
import { parseEvent, resolveRequest } from '../../lambda/invocation/request.ts';
import { parseSettings } from '../../lambda/settings/settings.ts';
import type { Deployment } from './deployment.ts';
import type { HourStatus } from './hour-status.ts';
import { formatCount, formatNoun } from '../output/output.ts';
import { OperatorError } from './operator-error.ts';
import { describeDeadLetter } from './redrive.ts';
import type { Message, Services } from './services.ts';

/** Messages of a dead-letter queue that are read, at most. */
const MOST_READ = 1_000;
/** Different reasons that are kept of an hour, at most. */
const MOST_REASONS = 3;
/** No hour of a dead letter is too young: that was asked when it was a request. */
const END_OF_TIME = new Date(8.64e15);

/** What the messages of a dead-letter queue are about. `read` is the sum of those behind it. */
export interface DeadLetters {
  /** Messages in the queue, which SQS counts approximately. Absent where it could not be asked. */
  queued?: number;
  read: number;
  /** Requests for hours of the range. */
  ofHours: number;
  /** Requests for other hours and prefixes. */
  elsewhere: number;
  /** Messages that are no request, or whose request AWS left out. */
  unreadable: number;
  /** Why the queue, or the rest of it, could not be read. */
  problem?: string;
}

/**
 * Looks at the dead letters of a stack, a thousand at most, which are hidden from others meanwhile. What cannot be read is told
 * and not thrown: hours have their states without it.
 *
 * @returns the hours, of which those that a dead letter is about are `failed` now
 */
export async function withDeadLetters<T extends HourStatus>(
  services: Pick<Services, 'queue' | 'peek'>,
  deployment: Deployment,
  hours: readonly T[],
): Promise<{ rows: T[]; deadLetters: DeadLetters }> {
  const deadLetters: DeadLetters = { read: 0, ofHours: 0, elsewhere: 0, unreadable: 0 };
  const messages = await lookAt(services, deployment.deadLetterUrl, deadLetters);
  const known = new Set(messages.length === 0 ? [] : hours.map(({ destination }) => destination));
  const failed = new Map<string, Omit<NonNullable<HourStatus['failed']>, 'state'>>();
  const config = configOf(deployment);
  for (const message of messages) {
    deadLetters.read++;
    const request = requestOf(message);
    const destination = request && destinationOf(request, config);
    if (request === undefined) deadLetters.unreadable++;
    else if (destination === undefined || !known.has(destination)) deadLetters.elsewhere++;
    else {
      deadLetters.ofHours++;
      const of = failed.get(destination) ?? { requests: 0, reasons: [] };
      failed.set(destination, of);
      of.requests++;
      const { reason } = describeDeadLetter(message);
      if (reason !== undefined && !of.reasons.includes(reason) && of.reasons.length < MOST_REASONS)
        of.reasons.push(reason);
    }
  }
  const rows = hours.map((hour) => {
    const letters = failed.get(hour.destination);
    return letters === undefined
      ? hour
      : { ...hour, state: 'failed' as const, failed: { ...letters, state: hour.state } };
  });
  return { rows, deadLetters };
}

/** Reads messages, and writes into `found` how many there are, or why they could not be read. */
async function lookAt(
  services: Pick<Services, 'queue' | 'peek'>,
  queueUrl: string,
  found: DeadLetters,
): Promise<Message[]> {
  try {
    const { waiting, inWork } = await services.queue(queueUrl);
    found.queued = waiting + inWork;
    if (waiting === 0) return [];
    const messages = await services.peek(queueUrl, { most: Math.min(MOST_READ, waiting), waitSeconds: 1 });
    found.queued = Math.max(found.queued, messages.length);
    return messages;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    found.problem = error.message;
    return [];
  }
}

/** Undefined for a message that is no request. */
function requestOf({ id, body }: Message): RequestMessage | undefined {
  try {
    const [request] = parseEvent({ Records: [{ messageId: id, body }] });
    return request;
  } catch {
    return undefined;
  }
}

/** Where the function would have rolled a request up to; undefined for one that it refuses. */
function destinationOf(request: RequestMessage, config: FunctionConfig): string | undefined {
  try {
    return formatLocation(resolveRequest(request, config, END_OF_TIME).destination);
  } catch {
    return undefined;
  }
}

/** The configuration of the function, as far as the outputs of its stack tell, in which no request is refused that it takes. */
function configOf({ roots, streams, allowAnyPrefix }: Deployment): FunctionConfig {
  const settings = { ...parseSettings({}, (name) => name), allowAnyPrefix, deleteSource: true };
  return { ...roots, settings, streams, queueUrl: undefined };
}

/** Dead letters as the JSON of commands has them. */
export interface DeadLettersInJson {
  /** Messages in the dead-letter queue, approximately. Absent unless a stack was named, and its queue could be asked. */
  deadLetters?: number;
  /** What those that were read are about. Absent unless a stack was named. */
  deadLettersRead?: Omit<DeadLetters, 'queued'>;
}

export function deadLettersInJson(found: DeadLetters | undefined): DeadLettersInJson {
  if (found === undefined) return {};
  const { queued, ...deadLettersRead } = found;
  return { ...(queued === undefined ? {} : { deadLetters: queued }), deadLettersRead };
}

/** What is to be told of the dead letters, a sentence or two each; nothing where there are none. */
export function describeDeadLetters(deadLetters: DeadLetters): string[] {
  const { queued = 0, read, ofHours, elsewhere, unreadable, problem } = deadLetters;
  const parts = [
    ...(ofHours === 0 ? [] : [`${formatCount(ofHours)} for hours of this range`]),
    ...(elsewhere === 0 ? [] : [`${formatCount(elsewhere)} for other hours or prefixes`]),
    ...(unreadable === 0 ? [] : [`${formatCount(unreadable)} that cannot be read as a request`]),
    ...(read >= queued ? [] : [`${formatCount(queued - read)} not read`]),
  ];
  const unread = read < queued ? ' More hours may have failed.' : '';
  return [
    ...(queued === 0
      ? []
      : [
          `${formatNoun(queued, 'message')} ${queued === 1 ? 'lies' : 'lie'} in the dead-letter queue: ${parts.join(', ')}.${unread}`,
        ]),
    ...(problem === undefined
      ? []
      : [`The dead-letter queue was not read, and hours may have failed: ${problem}`]),
  ];
}
