import type { RollupContext, RunProblem } from '../rollup/index.ts';
import type { Context } from 'aws-lambda';
import { RollupError, hasCode } from '../errors.ts';
import { METRICS } from '../names.ts';
import { resultOf } from '../run.ts';
import { createDeadline } from './deadline.ts';
import {
  OUT_OF_TIME,
  type Resources,
  answerOf,
  deferred,
  leftUndone,
  startUsage,
  open,
  sayLastWord,
} from './invocation.ts';
import { resolveRequest } from './request.ts';
import { type StepAnswer, type StepEvent, commitStep, parseStep, planStep, writeStep } from './steps.ts';
import { type RunUsage, logger, reportFailure, reportResult, reportStep } from './telemetry.ts';

export interface StepInvocation {
  handle: (event: unknown, context: Context) => Promise<unknown>;
}

/** Carries out the steps of the state machine. */
export function createStepInvocation(environment: NodeJS.ProcessEnv): StepInvocation {
  const resources = deferred(() => open(environment));

  async function handle(given: unknown, context: Context): Promise<unknown> {
    logger.addContext(context);
    let stream: string = METRICS.unnamedStream;
    let usage: (() => RunUsage) | undefined;
    let lastWord: NodeJS.Timeout | undefined;
    const deadline = createDeadline(() => context.getRemainingTimeInMillis());
    try {
      const event = parseStep(given);
      logger.appendKeys({ step: event.step });
      if (event.step !== 'write') stream = event.request.stream ?? stream;
      const { config, connection } = resources();
      usage = startUsage(connection);
      connection.takeRequests();
      connection.gauge.start();
      lastWord = sayLastWord(stream, usage, context);
      const { store, raw } = connection;
      const answer = await carryOut(event, resources(), {
        ...{ store, raw, settings: config.settings, now: () => new Date() },
        ...{ hasTime: deadline.hasTime, signal: deadline.signal, report: deadline.watch(() => undefined) },
      });
      reportAnswer(event, answer, { ...usage(), stream, config });
      return answer;
    } catch (error) {
      const late = deadline.signal.aborted && hasCode(error, 'Aborted');
      const failure = late ? new RollupError('Timeout', OUT_OF_TIME, { cause: error }) : error;
      reportFailure(stream, failure, usage?.());
      throw answerOf(failure);
    } finally {
      deadline.clear();
      clearTimeout(lastWord);
      logger.resetKeys();
    }
  }

  return { handle };
}

type Written = Awaited<ReturnType<typeof writeStep>>;

function carryOut(
  event: StepEvent,
  { config }: Resources,
  context: RollupContext,
): Promise<StepAnswer | Written> {
  const request = resolveRequest(event.request, config, new Date());
  if (event.step === 'write') return writeStep(event, request, context);
  const { deleteSource } = request;
  const asAsked = { ...context, settings: { ...context.settings, deleteSource } };
  if (event.step === 'plan') return planStep(request, event.attempt, asAsked);
  return commitStep(event, request, asAsked);
}

function reportAnswer(
  event: StepEvent,
  answer: StepAnswer | Written,
  { stream, config, ...usage }: RunUsage & { stream: string; config: Resources['config'] },
): void {
  if (answer.status !== 'done' || event.step === 'write') {
    reportStep(stream, answer, usage);
    return;
  }
  const request = resolveRequest(event.request, config, new Date());
  reportResult(stream, resultOf(request, answer.outcome, usage), {
    continued: false,
    lookBack: request.lookBack,
  });
  // The execution fails, and so whoever can mend it is told; what is committed stays so.
  const { status, deleted, problems: found = [] } = answer.outcome;
  const problems = deleted?.complete === false ? [...found, deletesLeft(request.source.prefix)] : found;
  if (problems.length > 0) throw leftUndone(status, problems);
}

function deletesLeft(key: string): RunProblem {
  const message = `There was no time to delete all sources under ${key}. Send the request again: it goes on from there.`;
  return { code: 'DeletesLeft', message, key };
}
