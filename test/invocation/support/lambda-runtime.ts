/**
 * A process as Lambda starts it: imports the bundle, then hands it one event at a time. The clock of an invocation stands
 * still until it is told how much time has passed; its timers go off then. A line on stdout and one on stderr end what
 * each invocation writes.
 */
import { readdirSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { Answer, Invocation, Measuring, Passing, Usage } from './lambda-process.ts';

type Handler = (event: unknown, context: unknown) => Promise<unknown>;

/** Timers that are longer are those of an invocation: nothing else waits for so long. */
const LONG_MS = 300_000;
const longTimers = new Map<unknown, { endMs: number; goOff: () => void }>();
let passedMs = 0;

const { setTimeout: setTimer, clearTimeout: clearTimer } = globalThis;
globalThis.setTimeout = Object.assign((goOff: () => void, ms = 0) => {
  const timer = setTimer(goOff, ms);
  if (ms > LONG_MS) longTimers.set(timer, { endMs: passedMs + ms, goOff });
  return timer;
}, setTimer);
globalThis.clearTimeout = (timer) => {
  longTimers.delete(timer);
  clearTimer(timer);
};

/** Time passes: timers that end meanwhile go off in the order of their ends. */
function pass(ms: number): void {
  passedMs += ms;
  const ended = [...longTimers].filter(([, { endMs }]) => endMs <= passedMs);
  for (const [timer, { goOff }] of ended.sort(([, a], [, b]) => a.endMs - b.endMs)) {
    longTimers.delete(timer);
    clearTimer(timer as NodeJS.Timeout);
    goOff();
  }
}

const bundle = process.argv[2] ?? '';
const began = process.cpuUsage();
const imported = z.object({ handler: z.custom<Handler>() }).parse(await import(pathToFileURL(bundle).href));
// Processor time: that is the duration on a machine where nothing else runs.
const { user, system } = process.cpuUsage(began);
const importMs = (user + system) / 1000;

process.on('message', (invocation: Invocation | Passing | Measuring) => {
  if ('measures' in invocation) {
    void measure().then((usage) => process.send?.({ usage }));
    return;
  }
  if ('passMs' in invocation) {
    pass(invocation.passMs);
    process.send?.({ passedMs });
    return;
  }
  void answer(invocation).then((message) => {
    for (const stream of [process.stdout, process.stderr])
      stream.write(`${JSON.stringify({ endOf: invocation.id })}\n`);
    process.send?.(message);
    // Node itself writes it at an end of the process, which is killed.
    flushCompileCache();
  });
});
process.send?.({ importMs });

async function answer({ id, event, remainingMs }: Invocation): Promise<Answer> {
  const beganMs = passedMs;
  const left = (): number => remainingMs - (passedMs - beganMs);
  const context = {
    awsRequestId: id,
    functionName: 'rollup',
    functionVersion: '$LATEST',
    invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:rollup',
    memoryLimitInMB: '1024',
    getRemainingTimeInMillis: left,
  };
  try {
    const result = await imported.handler(event, context);
    return { id, result, leftMs: left() };
  } catch (thrown) {
    // Lambda's runtime for Node answers with these fields.
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const failure = { errorType: error.name, errorMessage: error.message };
    return { id, failure, leftMs: left() };
  }
}

async function measure(): Promise<Usage> {
  await setImmediate();
  globalThis.gc?.();
  return { descriptors: readdirSync('/proc/self/fd').length, rssBytes: process.memoryUsage.rss() };
}
