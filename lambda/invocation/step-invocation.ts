import { type RollupContext, type RunProblem, fillSelection } from '../rollup/index.ts';
import type { Context } from 'aws-lambda';
import { METRICS } from '../names.ts';
import { describer, resultOf } from '../run.ts';
import { createDeadline, memoryLimitOf } from './deadline.ts';
import { leftUndone, namedByCode, timeoutIfAborted } from './failures.ts';
import { GIVE_HOUR, resolveRequest } from './request.ts';
import { type Resources, openResources } from './resources.ts';
import { type StepAnswer, type StepEvent, commitStep, parseStep, planStep, writeStep } from './steps.ts';
import {
  type RunUsage,
  logger,
  reportBeforeKill,
  reportFailure,
  reportResult,
  reportStep,
  startUsage,
} from './telemetry.ts';

/** Carries out steps of the state machine, with the resources of one process. */
export interface StepInvocation {
  /** Carries out one step. Throws an error whose name is the code. */
  handle: (event: unknown, context: Context) => Promise<unknown>;
}

/** Opens the resources that the environment describes. A bad environment is thrown by each `handle`. */
export function createStepInvocation(environment: NodeJS.ProcessEnv): StepInvocation {
  const resources = openResources(environment);

  async function handle(given: unknown, context: Context): Promise<unknown> {
    logger.addContext(context);
    let stream: string = METRICS.unnamedStream;
    let usage: (() => RunUsage) | undefined;
    let lastReport: NodeJS.Timeout | undefined;
    const deadline = createDeadline(() => context.getRemainingTimeInMillis());
    try {
      const event = parseStep(given);
      logger.appendKeys({ step: event.step });
      if (event.step !== 'write') stream = event.request.stream ?? stream;
      const { config, connection } = resources();
      usage = startUsage(connection);
      connection.takeRequests();
      connection.gauge.start();
      lastReport = reportBeforeKill(stream, usage, context);
      const answer = await carryOut(event, config, {
        store: connection.store,
        raw: connection.raw,
        settings: config.settings,
        now: () => new Date(),
        hasTime: deadline.hasTime,
        signal: deadline.signal,
        report: deadline.watch(() => undefined),
        describeRun: describer(connection, {
          by: 'state-machine',
          startedAt: new Date(),
          memoryLimitBytes: memoryLimitOf(context),
        }),
      });
      reportAnswer(event, answer, { ...usage(), stream, config });
      return answer;
    } catch (error) {
      const failure = timeoutIfAborted(error, deadline.signal);
      reportFailure(stream, failure, usage?.());
      throw namedByCode(failure);
    } finally {
      deadline.clear();
      clearTimeout(lastReport);
      logger.resetKeys();
    }
  }

  return { handle };
}

type WriteAnswer = Awaited<ReturnType<typeof writeStep>>;

function carryOut(
  event: StepEvent,
  config: Resources['config'],
  context: RollupContext,
): Promise<StepAnswer | WriteAnswer> {
  const request = resolveRequest(event.request, config, new Date());
  if (event.step === 'write') return writeStep(event, request, context);
  const filled = fillSelection(context.settings, request.hour, GIVE_HOUR);
  const settings = { ...filled, deleteSource: request.mayDelete };
  if (event.step === 'plan')
    return planStep(event, request, { ...context, settings, samplesAll: event.samplesAll });
  return commitStep(event, request, { ...context, settings });
}

/** Throws the first problem of a committed hour, once the hour is reported: the execution then fails and alarms. */
function reportAnswer(
  event: StepEvent,
  answer: StepAnswer | WriteAnswer,
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
  const { status, deleted, problems: found = [] } = answer.outcome;
  const problems = deleted?.complete === false ? [...found, deletesLeft(request.source.prefix)] : found;
  if (problems.length > 0) throw leftUndone(status, problems);
}

function deletesLeft(key: string): RunProblem {
  const message = `There was no time to delete all sources under ${key}. Send the request again: it goes on from there.`;
  return { code: 'DeletesLeft', message, key };
}
