/**
 * A process like Lambda's: it imports the bundle, and then calls its handler with one event at a time. The clock of the
 * context may run faster than time does. A line on stdout and one on stderr mark the end of an invocation's output.
 */
import { readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { Answer, Invocation, Usage } from './lambda-process.ts';

type Handler = (event: unknown, context: unknown) => Promise<unknown>;

const bundle = process.argv[2] ?? '';
const began = process.cpuUsage();
const imported = z.object({ handler: z.custom<Handler>() }).parse(await import(pathToFileURL(bundle).href));
// Processor time: that is the duration on a machine where nothing else runs.
const { user, system } = process.cpuUsage(began);
const importMs = (user + system) / 1000;

process.on('message', (invocation: Invocation) => {
  void answer(invocation).then((message) => {
    for (const stream of [process.stdout, process.stderr])
      stream.write(`${JSON.stringify({ endOf: invocation.id })}\n`);
    process.send?.(message);
  });
});
process.send?.({ importMs });

async function answer({ id, event, remainingMs, speed }: Invocation): Promise<Answer> {
  const started = performance.now();
  const left = (): number => Math.round(remainingMs - (performance.now() - started) * speed);
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
    return { id, result, leftMs: left(), usage: await usage() };
  } catch (thrown) {
    // Lambda's runtime for Node answers with these fields.
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const failure = { errorType: error.name, errorMessage: error.message };
    return { id, failure, leftMs: left(), usage: await usage() };
  }
}

async function usage(): Promise<Usage> {
  await setImmediate();
  globalThis.gc?.();
  return { descriptors: readdirSync('/proc/self/fd').length, rssBytes: process.memoryUsage.rss() };
}
