import { fillSelection, formatLocation } from '../rollup/index.ts';
import type { Context } from 'aws-lambda';
import { RollupError } from '../errors.ts';
import { METRICS } from '../names.ts';
import { type RunResult, run } from '../run.ts';
import { createDeadline, memoryLimitOf } from './deadline.ts';
import { type Dispatched, dispatch, isLarge } from './dispatch.ts';
import { leftUndone, namedByCode, timeoutIfAborted } from './failures.ts';
import { type Skipped, isRolledUp, lookBacksOf, sendLookBacks } from './look-back.ts';
import { type RequestMessage } from './message.ts';
import { type Queue } from './queue.ts';
import { type Delivery, GIVE_HOUR, type ResolvedRequest, continuationOf, resolveRequest } from './request.ts';
import { type Resources, openResources } from './resources.ts';
import type { Settings } from '../settings/table.ts';
import {
  type RunUsage,
  logger,
  reportBeforeKill,
  reportFailure,
  reportResult,
  startSampling,
  startUsage,
} from './telemetry.ts';

/**
 * Seconds until a message that failed is delivered again, after each of its deliveries but the last: all five within 36
 * minutes and the runs' own time. The queue's visibility timeout, six times as long as the function may run, is for runs that
 * are killed.
 */
const RETRY_SECONDS = [60, 300, 900, 900];
/** After its last delivery a message is not tried again: SQS moves it to the dead-letter queue only after this. */
const DEAD_LETTER_SECONDS = 30;

type Result = RunResult | Skipped | Dispatched;

/** Carries out requests, with the resources of one process. */
export interface Invocation {
  /** Runs a parser of the event. Its failure is logged and counted like one of a request. */
  parse: <T>(parser: () => T, context: Context) => T;
  /**
   * Carries out one request.
   *
   * @param id names the execution of a request that is dispatched; a message that is delivered again has the same one.
   * By default the id of the invocation.
   * @throws an error whose name is the code; for a committed hour also where not all that follows a commit was done
   */
  handle: (message: RequestMessage, context: Context, id?: string) => Promise<Result>;
  /** Makes SQS deliver the messages of a failed event again within minutes. Never throws. */
  giveBack: (deliveries: Delivery[]) => Promise<void>;
}

/** Opens the resources that the environment describes. A bad environment is thrown by each `handle`. */
export function createInvocation(environment: NodeJS.ProcessEnv): Invocation {
  const resources = openResources(environment);

  function parse<T>(parser: () => T, context: Context): T {
    logger.addContext(context);
    try {
      return parser();
    } catch (error) {
      reportFailure(METRICS.unnamedStream, error);
      throw namedByCode(error);
    }
  }

  async function handle(
    message: RequestMessage,
    context: Context,
    id = context.awsRequestId,
  ): Promise<Result> {
    const result = await carryOut(message, context, id);
    const isRun = result.status !== 'skipped' && result.status !== 'handed-over';
    // Thrown only after the report: the hour counts as committed, and the next delivery does what is left.
    if (isRun && result.problems !== undefined) throw namedByCode(leftUndone(result.status, result.problems));
    return result;
  }

  /** Resolve, look back, dispatch or run, continue, report. */
  async function carryOut(message: RequestMessage, context: Context, id: string): Promise<Result> {
    const stream = message.stream ?? METRICS.unnamedStream;
    logger.appendKeys({ stream, continuation: message.continuation ?? 0 });
    let usage: (() => RunUsage) | undefined;
    let lastReport: NodeJS.Timeout | undefined;
    try {
      const { config, connection, queue, stateMachine } = resources();
      const request = resolveRequest(message, config, new Date());
      const settings = fillSelection(config.settings, request.hour, GIVE_HOUR);
      logger.appendKeys({ hour: request.hour });
      usage = startUsage(connection);
      lastReport = reportBeforeKill(stream, usage, context);

      if (request.lookBack && !(await isRolledUp(connection.store, request))) return skip(request);
      const lookBacks = lookBacksOf(request, config.settings.lookBackHours);
      const unsent = queue && (await sendLookBacks(lookBacks, queue));

      if (stateMachine !== undefined && (await isLarge(request, connection.raw, config.settings))) {
        const dispatched = await dispatch(request, stateMachine, id);
        logger.info('hour handed over', { ...dispatched });
        // The next delivery sends the look backs; it does not start a second execution.
        if (unsent !== undefined) throw unsent;
        return dispatched;
      }

      const { result: outcome, progress } = await runInTime(request, settings, connection, context);
      const result = unsent === undefined ? outcome : withProblem(outcome, unsent);
      usage = () => result;
      const continued = isUnfinished(result) && (await sendContinuation(request, result, queue, progress));

      reportResult(stream, result, { continued, lookBack: request.lookBack });
      return result;
    } catch (error) {
      reportFailure(stream, error, usage?.());
      throw namedByCode(error);
    } finally {
      clearTimeout(lastReport);
      logger.resetKeys();
    }
  }

  async function giveBack(deliveries: Delivery[]): Promise<void> {
    for (const { receipt } of deliveries) {
      if (receipt === undefined) continue;
      try {
        const seconds = RETRY_SECONDS[receipt.receives - 1] ?? DEAD_LETTER_SECONDS;
        await resources().queue?.giveBack(receipt.handle, seconds);
      } catch (error) {
        logger.warn('the message comes again only after its visibility timeout', { error: String(error) });
      }
    }
  }

  return { parse, handle, giveBack };
}

/** Logs a look back at an hour that was never rolled up, and returns its answer. */
function skip({ source, destination, hour }: ResolvedRequest): Skipped {
  const skipped: Skipped = {
    status: 'skipped',
    source: formatLocation(source),
    destination: formatLocation(destination),
    hour,
  };
  logger.info('hour skipped: it was never rolled up', { ...skipped });
  return skipped;
}

/**
 * One run, as far as it gets before the deadline of the invocation.
 *
 * @returns its result, and `progress`: the number of outputs that it wrote or copied and of sources that it deleted
 * @throws RollupError `Timeout` where the deadline ended it, and what `run` throws
 */
async function runInTime(
  { source, destination, asWritten, repack, deleteSource, mayDelete, message }: ResolvedRequest,
  settings: Settings,
  connection: Resources['connection'],
  context: Context,
): Promise<{ result: RunResult; progress: number }> {
  const deadline = createDeadline(() => context.getRemainingTimeInMillis());
  const stopSampling = startSampling(() => connection.gauge.connections);
  try {
    const result = await run({ source, destination, asWritten, repack, deleteSource }, connection, {
      settings: { ...settings, deleteSource: mayDelete },
      trustExisting: (message.continuation ?? 0) > 0,
      hasTime: deadline.hasTime,
      signal: deadline.signal,
      report: deadline.watch(() => undefined),
      by: 'function',
      continuations: message.continuation ?? 0,
      memoryLimitBytes: memoryLimitOf(context),
    });
    return { result, progress: deadline.written + (result.deleted?.objects ?? 0) };
  } catch (error) {
    throw timeoutIfAborted(error, deadline.signal);
  } finally {
    deadline.clear();
    stopSampling();
  }
}

function withProblem(result: RunResult, problem: RollupError): RunResult {
  return { ...result, problems: [...(result.problems ?? []), problem.toJSON()] };
}

/** True for a run that had no time for all outputs, or not for all deletes after its commit. */
function isUnfinished({ status, deleted }: RunResult): boolean {
  return status === 'incomplete' || deleted?.complete === false;
}

/**
 * Sends the message that lets another invocation finish the hour.
 *
 * @returns false where there is no queue to send it to
 * @throws RollupError `NoProgress` where this invocation made none, so that an hour is not continued for ever
 */
async function sendContinuation(
  request: ResolvedRequest,
  { status, reused }: RunResult,
  queue: Queue | undefined,
  progress: number,
): Promise<boolean> {
  // Time may have gone into proofs of existing outputs: a continuation trusts them, and has none of those to do.
  const proved = (request.message.continuation ?? 0) === 0 && reused > 0;
  if (progress === 0 && !proved) {
    const message = `There was no time to write one output of ${formatLocation(request.source)}. Raise the timeout or the memory, or lower outputsInFlight.`;
    throw new RollupError('NoProgress', message);
  }
  if (queue === undefined) return false;
  const message = continuationOf(request);
  // After a commit only deletes are left: to repack once more would begin the hour anew.
  await queue.send(status === 'incomplete' ? message : { ...message, repack: undefined });
  return true;
}
