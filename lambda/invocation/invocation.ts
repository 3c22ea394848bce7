import { type RunProblem, formatLocation } from '../rollup/index.ts';
import type { Context } from 'aws-lambda';
import { RollupError, hasCode } from '../errors.ts';
import { METRICS } from '../names.ts';
import { type RunResult, run } from '../run.ts';
import { type Connection, connect } from '../s3/connection.ts';
import { createDeadline } from './deadline.ts';
import { type Dispatched, dispatch, isLarge } from './dispatch.ts';
import { type FunctionConfig, parseEnvironment } from './environment.ts';
import { type Skipped, isRolledUp, lookBacksOf, sendLookBacks } from './look-back.ts';
import { type RequestMessage } from './message.ts';
import { type Queue, openQueue } from './queue.ts';
import { type ResolvedRequest, continuationOf, deliveriesOf, resolveRequest } from './request.ts';
import { type StateMachine, openStateMachine } from './state-machine.ts';
import { type RunUsage, logger, reportFailure, reportResult, startSampling } from './telemetry.ts';

const LAST_WORD_MS = 1_000;
/** Until a message that failed comes again, by how often it was received. The visibility timeout is for runs that are killed. */
const WAIT_SECONDS = [60, 300];
/** By then it is not tried again: only after this does it come to the dead-letter queue. */
const LAST_WAIT_SECONDS = 30;
export const OUT_OF_TIME =
  'The time of the invocation was over before the run was. Outputs that it wrote are kept.';

/** What lives as long as the process: configuration, the connection to S3, the queue. */
export interface Resources {
  config: FunctionConfig;
  connection: Connection;
  queue: Queue | undefined;
  /** For what is more than one function should do. */
  machine: StateMachine | undefined;
}

type Result = RunResult | Skipped | Dispatched;

export interface Invocation {
  /** Runs a parser; its failure is logged as an invocation's is. */
  parse: <T>(parser: () => T, context: Context) => T;
  /** `id`: of the message, or of the invocation; one that is repeated keeps it. */
  handle: (message: RequestMessage, context: Context, id?: string) => Promise<Result>;
  /** Has the messages of a failed event come again in minutes. */
  giveBack: (event: unknown) => Promise<void>;
}

export function createInvocation(environment: NodeJS.ProcessEnv): Invocation {
  const resources = deferred(() => open(environment));

  function parse<T>(parser: () => T, context: Context): T {
    logger.addContext(context);
    try {
      return parser();
    } catch (error) {
      reportFailure(METRICS.unnamedStream, error);
      throw answerOf(error);
    }
  }

  async function handle(
    message: RequestMessage,
    context: Context,
    id = context.awsRequestId,
  ): Promise<Result> {
    const result = await work(message, context, id);
    // The message comes again, and so whoever can mend it is told; what is committed stays so.
    const isRun = result.status !== 'skipped' && result.status !== 'handed-over';
    if (isRun && result.problems !== undefined) throw answerOf(leftUndone(result.status, result.problems));
    return result;
  }

  async function work(message: RequestMessage, context: Context, id: string): Promise<Result> {
    const stream = message.stream ?? METRICS.unnamedStream;
    logger.appendKeys({ stream, continuation: message.continuation ?? 0 });
    let usage: (() => RunUsage) | undefined;
    let lastWord: NodeJS.Timeout | undefined;
    try {
      const { config, connection, queue, machine } = resources();
      const request = resolveRequest(message, config, new Date());
      logger.appendKeys({ hour: request.hour });
      usage = startUsage(connection);
      lastWord = sayLastWord(stream, usage, context);
      if (request.lookBack && !(await isRolledUp(connection.store, request))) return skip(request);
      const before = lookBacksOf(request, config.settings.lookBackHours);
      const unsent = queue && (await sendLookBacks(before, queue));
      if (machine !== undefined && (await isLarge(request, connection.raw, config.settings))) {
        const handedOver = await dispatch(request, machine, id);
        logger.info('hour handed over', { ...handedOver });
        // The message comes again; the execution that it began does not.
        if (unsent !== undefined) throw unsent;
        return handedOver;
      }
      const { result: ran, written } = await runInTime(request, { config, connection }, context);
      const result = unsent === undefined ? ran : withProblem(ran, unsent);
      usage = () => result;
      const continued = isUnfinished(result) && (await goOn(request, result, queue, written));
      reportResult(stream, result, { continued, lookBack: request.lookBack });
      return result;
    } catch (error) {
      reportFailure(stream, error, usage?.());
      throw answerOf(error);
    } finally {
      clearTimeout(lastWord);
      logger.resetKeys();
    }
  }

  async function giveBack(event: unknown): Promise<void> {
    for (const { receiptHandle, receives } of deliveriesOf(event)) {
      try {
        await resources().queue?.giveBack(receiptHandle, WAIT_SECONDS[receives - 1] ?? LAST_WAIT_SECONDS);
      } catch (error) {
        logger.warn('the message comes again only after its visibility timeout', { error: String(error) });
      }
    }
  }

  return { parse, handle, giveBack };
}

export function open(environment: NodeJS.ProcessEnv): Resources {
  const config = parseEnvironment(environment);
  const queue = config.queueUrl === undefined ? undefined : openQueue(config.queueUrl);
  const { stateMachineArn } = config;
  const machine = stateMachineArn === undefined ? undefined : openStateMachine(stateMachineArn);
  return { config, connection: connect({ settings: config.settings }), queue, machine };
}

/** What a bad environment makes of every invocation is an error that is logged, not a process that does not start. */
export function deferred<T>(create: () => T): () => T {
  try {
    const value = create();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** Lambda answers with an error's name and message, and shows no code: so the name is the code. */
export function answerOf(error: unknown): unknown {
  if (!(error instanceof RollupError)) return error;
  const answer = new Error(error.message, { cause: error });
  answer.name = error.code;
  return answer;
}

/** Lambda kills without a word a run that a store without answers holds past its end. */
export function sayLastWord(stream: string, usage: () => RunUsage, context: Context): NodeJS.Timeout {
  const say = (): void => {
    reportFailure(stream, new RollupError('Timeout', OUT_OF_TIME), usage());
  };
  return setTimeout(say, Math.max(0, context.getRemainingTimeInMillis() - LAST_WORD_MS));
}

/** What a run took that ended without a result. */
export function startUsage(connection: Connection): () => RunUsage {
  const began = performance.now();
  return () => ({
    peak: connection.gauge.stop(),
    requests: connection.takeRequests(),
    durationSeconds: Math.round(performance.now() - began) / 1000,
  });
}

/** One run, as far as it comes in the time that is left. `written`: outputs that came to be in it, and deletes. */
async function runInTime(
  { source, destination, repack, deleteSource, message }: ResolvedRequest,
  { config, connection }: Pick<Resources, 'config' | 'connection'>,
  context: Context,
): Promise<{ result: RunResult; written: number }> {
  const deadline = createDeadline(() => context.getRemainingTimeInMillis());
  const stopSampling = startSampling(() => connection.gauge.connections);
  try {
    const result = await run({ source, destination, repack }, connection, {
      settings: { ...config.settings, deleteSource },
      trustExisting: (message.continuation ?? 0) > 0,
      hasTime: deadline.hasTime,
      signal: deadline.signal,
      report: deadline.watch(() => undefined),
    });
    return { result, written: deadline.written + (result.deleted?.objects ?? 0) };
  } catch (error) {
    if (!deadline.signal.aborted || !hasCode(error, 'Aborted')) throw error;
    throw new RollupError('Timeout', OUT_OF_TIME, { cause: error });
  } finally {
    deadline.clear();
    stopSampling();
  }
}

function isUnfinished({ status, deleted }: RunResult): boolean {
  return status === 'incomplete' || deleted?.complete === false;
}

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

function withProblem(result: RunResult, problem: RollupError): RunResult {
  return { ...result, problems: [...(result.problems ?? []), problem.toJSON()] };
}

export function leftUndone(status: RunResult['status'], [first, ...others]: RunProblem[]): RollupError {
  const { code = 'S3Error', message = '', key } = first ?? {};
  const more = others.length === 0 ? '' : ` And ${others.length} more: see the log.`;
  return new RollupError(
    code,
    `The hour is ${status}, but not all that follows was done. ${message}${more}`,
    {
      key,
    },
  );
}

/** Sends the continuation. Throws `NoProgress` where this invocation wrote nothing, so that it cannot go round for ever. */
async function goOn(
  request: ResolvedRequest,
  { status, reused }: RunResult,
  queue: Queue | undefined,
  written: number,
): Promise<boolean> {
  // Time may have gone into proofs of outputs that stood there: a continuation has none of those to do.
  const proved = (request.message.continuation ?? 0) === 0 && reused > 0;
  if (written === 0 && !proved) {
    const message = `There was no time to write one output of ${formatLocation(request.source)}. Raise the timeout or the memory, or lower outputsInFlight.`;
    throw new RollupError('NoProgress', message);
  }
  if (queue === undefined) return false;
  const message = continuationOf(request);
  // What is left after a commit are deletes: to repack again would be to begin anew.
  await queue.send(status === 'incomplete' ? message : { ...message, repack: undefined });
  return true;
}
