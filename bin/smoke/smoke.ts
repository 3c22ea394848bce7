import { setTimeout as delay } from 'node:timers/promises';
import { buffer } from 'node:stream/consumers';
import {
  type Endpoints,
  type Hour,
  extract,
  fillHour,
  formatLocation,
  parseHour,
  parseLocation,
  parseSource,
  verify,
} from '../../lambda/rollup/index.ts';
import type { RequestMessage } from '../../lambda/invocation/message.ts';
import { type Deployment, findDeployment } from '../operator/deployment.ts';
import { OperatorError } from '../operator/operator-error.ts';
import { buildRequest } from '../operator/request.ts';
import type { Services } from '../operator/services.ts';
import { formatNoun } from '../output/output.ts';
import { checkAlarms } from './alarms.ts';
import { type Check, type CheckName, Checks } from './checks.ts';
import { diagnose, within } from './diagnose.ts';
import { type Place, clearPlace, readManifest, removePlace, smokeObjects, writeObjects } from './place.ts';
import type { SmokeServices } from './services.ts';

/** The hour of a smoke test: no schedule and no look-back comes to it. */
export const SMOKE_HOUR = '2000-01-01T00';
/** Waits between two looks, in milliseconds: they grow. */
const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 3_000;
const WAIT_GROWS = 1.5;
/** Tries of a comparison: deletes of sources may go on while it reads. */
const COMPARISONS = 4;
/** Time for one answer of the function, however little is left of the timeout. */
const LEAST_ANSWER_MS = 20_000;
const REMOVAL_MS = 120_000;

export interface SmokeOptions {
  stack: string;
  /** @defaultValue the first of the stack */
  stream: string | undefined;
  hour: string;
  /** Names of the objects, with `{n}` in it. */
  name: string;
  gzip: boolean;
  alarms: boolean;
  /** Seconds for all checks together, without the removal. */
  timeoutSeconds: number;
}

/** The result that `smoke` prints. */
export interface SmokeResult {
  status: 'passed' | 'failed';
  stack: string;
  stream?: string;
  hour: string;
  source?: string;
  destination?: string;
  checks: Check[];
  /** What could not be removed or taken back, a sentence each. */
  left: string[];
}

export interface SmokeContext {
  services: Services;
  smokeServices: SmokeServices;
  endpoints: Endpoints;
  signal: AbortSignal;
  onBegin: (check: CheckName) => void;
  /** Called with the sentences of `left` also where the signal ends all. */
  onLeft: (left: string[]) => void;
}

/** What has to be undone, as far as the checks have come. */
interface Traces {
  place?: Place;
  /** Id of a message that is not known to be done. */
  messageId?: string | undefined;
  /** An execution that is not known to have ended. */
  execution?: string | undefined;
  left: string[];
}

/**
 * Proves a deployment: rolls a few objects up through all of its parts, compares what comes out, and removes all of it, also
 * after a failure and where the signal ends it.
 *
 * @returns what every check said. Throws only where the signal ended it.
 */
export async function smoke(options: SmokeOptions, context: SmokeContext): Promise<SmokeResult> {
  const { signal, services, smokeServices } = context;
  const checks = new Checks(signal, context.onBegin);
  const traces: Traces = { left: [] };
  const deployment = await checks.run('stack', async () => {
    const value = await findDeployment(services, options.stack);
    return { value, detail: formatNoun(value?.streams.length ?? 0, 'stream') };
  });
  if (deployment !== undefined) {
    if (options.alarms)
      await checks.run('alarms', async () => ({
        value: undefined,
        detail: await checkAlarms(smokeServices, options.stack),
      }));
    else checks.leaveOut('alarms', '--no-alarms');
    try {
      await rollUpAndCompare(options, context, deployment, checks, traces);
    } finally {
      await checks.run('remove', () => remove(context, deployment, traces), { evenIfStopped: true });
      context.onLeft(traces.left);
    }
  }
  const { place } = traces;
  return {
    status: checks.hasFailed ? 'failed' : 'passed',
    stack: options.stack,
    hour: options.hour,
    ...(options.stream === undefined ? {} : { stream: options.stream }),
    ...(place === undefined
      ? {}
      : { source: formatLocation(place.source), destination: formatLocation(place.destination) }),
    checks: checks.done,
    left: traces.left,
  };
}

/** From the objects to the execution; ends at the first check that fails. */
async function rollUpAndCompare(
  options: SmokeOptions,
  context: SmokeContext,
  deployment: Deployment,
  checks: Checks,
  traces: Traces,
): Promise<void> {
  const { services, endpoints, signal } = context;
  const deadline = performance.now() + options.timeoutSeconds * 1000;
  const found = await checks.run('place', async () => {
    const { place, request } = placeOf(options, deployment);
    const removed = await clearPlace(endpoints, place, signal);
    const was = removed === 0 ? 'empty' : `${formatNoun(removed, 'object')} of an earlier smoke test removed`;
    return { value: { place, request }, detail: `${formatLocation(place.source)}: ${was}` };
  });
  if (found === undefined) return;
  const { place, request } = found;
  // From here on there may be something to remove.
  traces.place = place;
  const written = await checks.run('write', async () => {
    await writeObjects(endpoints, place);
    return { value: true, detail: formatNoun(place.objects.length, 'object') };
  });
  if (written === undefined) return;
  const messageId = await checks.run('request', async () => {
    const id = await services.send(deployment.queueUrl, request);
    traces.messageId = id;
    return { value: id, detail: `message ${id}` };
  });
  if (messageId === undefined) return;
  const first = await checks.run('rollup', async () => {
    const committed = await until(deadline, signal, () => readManifest(endpoints, place));
    if (committed === undefined)
      throw await diagnose(services, deployment, request, options.timeoutSeconds, signal);
    traces.messageId = undefined;
    const { objects, outputs } = refuseLeftOut(committed.manifest, place);
    return {
      value: committed,
      detail: `${formatNoun(objects, 'object')} in ${formatNoun(outputs, 'output')}`,
    };
  });
  if (first === undefined) return;
  const same = await checks.run('verify', () => compareBytes(context, place));
  if (same === undefined) return;
  const extracted = await checks.run('extract', () => compareExtracted(context, place));
  if (extracted === undefined) return;
  const again = await checks.run('again', async () => {
    const ms = Math.max(LEAST_ANSWER_MS, deadline - performance.now());
    const result = await within(ms, signal, services.invoke(deployment.functionName, request));
    if (result === 'late') throw new OperatorError('Timeout', `${deployment.functionName} has not answered.`);
    const status: unknown = result instanceof Object ? Reflect.get(result, 'status') : undefined;
    const now = await readManifest(endpoints, place);
    if (status !== 'unchanged' || now?.etag !== first.etag)
      throw new OperatorError(
        'NotUnchanged',
        `The function answered ${JSON.stringify(status ?? null)} to the same request, and should have answered "unchanged".`,
      );
    return { value: true, detail: 'unchanged' };
  });
  if (again === undefined) return;
  const { stateMachineArn } = deployment;
  if (stateMachineArn === undefined) {
    checks.leaveOut('execution', 'without fanOut');
    return;
  }
  await checks.run('execution', () =>
    execute(context, { stateMachineArn, request, place, before: first.etag, deadline }, traces),
  );
}

function placeOf(
  { stream = '', hour: text, name, gzip }: SmokeOptions,
  deployment: Deployment,
): { place: Place; request: RequestMessage } {
  const known = stream === '' ? deployment.streams[0] : deployment.streams.find((one) => one.name === stream);
  if (known === undefined) {
    const names = deployment.streams.map((one) => one.name).join(', ');
    const message = `The stack has no stream "${stream}". Its streams are: ${names}.`;
    throw new OperatorError('NoSuchStream', message);
  }
  const hour: Hour = parseHour(text);
  const source = parseSource(fillHour(known.source, hour));
  const destination = parseLocation(fillHour(known.destination, hour));
  // Checks it as the function does. Without the stream's name, its metrics stay as they are.
  buildRequest({ source: known.source, stream: known.name }, hour, deployment, new Date());
  const request = { source: known.source, hour };
  return { place: { hour, source, destination, objects: smokeObjects(source, name, gzip) }, request };
}

/** Throws `ObjectsLeftOut` where filters of the stream left out objects of the smoke test. */
function refuseLeftOut(
  { totals }: { totals: { objects: number; outputs: number } },
  { objects }: Place,
): { objects: number; outputs: number } {
  if (totals.objects === objects.length) return totals;
  throw new OperatorError(
    'ObjectsLeftOut',
    `The function rolled up ${totals.objects} of ${objects.length} objects: filters or groupBy of the deployment leave the others out. Give a --name that they take, such as 'app-{n}.log'.`,
  );
}

async function compareBytes(
  { endpoints, signal }: SmokeContext,
  { destination }: Place,
): Promise<{ value: true; detail: string }> {
  for (let i = 1; ; i++) {
    const context = { ...endpoints, deep: true, concurrency: 2, progress: () => undefined, signal };
    const report = await verify(destination, context).catch((error: unknown) => {
      if (i >= COMPARISONS) throw error;
      return undefined;
    });
    if (report?.status === 'ok') {
      const gone =
        report.expired === 0 ? '' : `, ${formatNoun(report.expired, 'source')} deleted by the function`;
      return { value: true, detail: `every byte of ${formatNoun(report.outputs, 'output')}${gone}` };
    }
    if (report !== undefined && i >= COMPARISONS) {
      const [problem] = report.problems;
      throw new OperatorError('Mismatch', `${problem?.code ?? ''}: ${problem?.message ?? ''}`);
    }
    await delay(FIRST_WAIT_MS * i, undefined, { signal });
  }
}

/** Extracts every object, since the sources may be gone, and compares it with what was written. */
async function compareExtracted(
  { endpoints }: SmokeContext,
  { destination, objects }: Place,
): Promise<{ value: true; detail: string }> {
  for (const { key, text, body } of objects) {
    const { bytes } = await extract(endpoints.store, destination, key);
    const found = await buffer(bytes);
    // Decoded where the deployment decodes.
    if (!found.equals(body) && !found.equals(text))
      throw new OperatorError('Mismatch', `${key} is extracted otherwise than it was written.`);
  }
  return { value: true, detail: `${formatNoun(objects.length, 'object')} as written` };
}

/** Has the state machine repack the hour, so that it goes through all of its states. */
async function execute(
  context: SmokeContext,
  what: {
    stateMachineArn: string;
    request: RequestMessage;
    place: Place;
    before: string;
    deadline: number;
  },
  traces: Traces,
): Promise<{ value: true; detail: string }> {
  const { endpoints, signal, smokeServices } = context;
  const { stateMachineArn, request, place, before, deadline } = what;
  const input = { ...request, repack: true };
  const name = `${place.hour}-smoke-${Date.now().toString(36)}`;
  const arn = await smokeServices.startExecution(stateMachineArn, name, input);
  traces.execution = arn;
  const ended = await until(deadline, signal, async () => {
    const state = await smokeServices.execution(arn);
    return state.status === 'RUNNING' ? undefined : state;
  });
  if (ended === undefined)
    throw new OperatorError('Timeout', `${name} has not ended. Give a longer --timeout.`);
  traces.execution = undefined;
  const { status, error, cause } = ended;
  if (status !== 'SUCCEEDED') {
    traces.left.push(`The notice that ${name} failed comes to the dead-letter queue: delete it there.`);
    const [reason] = (cause ?? '').split('\n');
    throw new OperatorError(
      'ExecutionFailed',
      `${[`${name} ended as ${status}`, error, reason].filter((part) => part).join(': ')}.`,
    );
  }
  const now = await readManifest(endpoints, place);
  if (now === undefined || now.etag === before)
    throw new OperatorError('NotCommitted', `${name} succeeded, and has not committed.`);
  await compareBytes(context, place);
  await compareExtracted(context, place);
  return { value: true, detail: `${name}: outputs written anew, and compared` };
}

/** Undoes all. Runs also where the signal has ended the checks. */
async function remove(
  { endpoints, smokeServices }: SmokeContext,
  { queueUrl }: Deployment,
  traces: Traces,
): Promise<{ value: true; detail: string }> {
  const { place, messageId, execution, left } = traces;
  const failures: string[] = [];
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    await work().catch((error: unknown) => {
      failures.push(error instanceof Error ? error.message : String(error));
    });
  };
  if (execution !== undefined)
    await attempt(async () => {
      await smokeServices.stopExecution(execution);
      left.push('The notice that the execution was stopped comes to the dead-letter queue: delete it there.');
    });
  if (messageId !== undefined)
    await attempt(async () => {
      if (await smokeServices.takeBack(queueUrl, messageId)) return;
      left.push(
        `Message ${messageId} is in work, or waits for its next attempt. What it writes to the hour is removed by the next smoke test.`,
      );
    });
  if (place !== undefined)
    await attempt(async () => {
      const kept = await removePlace(endpoints, place, AbortSignal.timeout(REMOVAL_MS));
      left.push(...kept);
      if (kept.length > 0)
        throw new OperatorError('NotRemoved', `${formatNoun(kept.length, 'object')} could not be deleted.`);
    });
  if (failures.length > 0) {
    if (left.length === 0) left.push(...failures);
    throw new OperatorError('NotRemoved', failures.join(' '));
  }
  return { value: true, detail: place === undefined ? 'nothing was written' : 'nothing of it is left in S3' };
}

/** Looks until there is something, or the deadline has passed: then undefined. */
async function until<T>(
  deadline: number,
  signal: AbortSignal,
  look: () => Promise<T | undefined>,
): Promise<T | undefined> {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * WAIT_GROWS, LONGEST_WAIT_MS)) {
    signal.throwIfAborted();
    const found = await look();
    if (found !== undefined) return found;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return undefined;
    await delay(Math.min(wait, leftMs), undefined, { signal });
  }
}
