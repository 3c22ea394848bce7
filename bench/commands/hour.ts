import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { RunResult } from '../../lambda/run.ts';
import { checkOutputs } from '../measure.ts';
import { dataSetOf, machine, measuringCommand } from '../options.ts';
import { commandLineFlags } from '../process/node-flags.ts';
import { watch } from '../process/watch.ts';
import { type Ended, formatHour } from '../report/hour.ts';
import { say } from '../report/say.ts';
import { BUCKET, OUTPUT_PREFIX, RAW_PREFIX } from '../server/bench-server.ts';
import { type RemoteServer, startRemoteServer } from '../server/remote-server.ts';

const COMMAND_LINE = join(import.meta.dirname, '../../bin/s3-rollup.ts');
const SOURCE = `s3://${BUCKET}/${RAW_PREFIX}`;
const DESTINATION = `s3://${BUCKET}/${OUTPUT_PREFIX}`;

const EXAMPLES = `
Example:
  $ npm run --silent bench -- hour`;

export const hour = measuringCommand(
  'hour',
  'the whole hour through the command line: rolled up, verified, rolled up again',
  30_000,
)
  .addHelpText('after', EXAMPLES)
  .action(async (options) => {
    const { concurrency, outputsInFlight } = options;
    const flags = [
      ...(concurrency === undefined ? [] : ['--concurrency', concurrency]),
      ...(outputsInFlight === undefined ? [] : ['--outputs-in-flight', outputsInFlight]),
    ];
    const server = await startRemoteServer(dataSetOf(options));
    try {
      const run = (): Promise<Ended<RunResult>> =>
        commandLine(server, ['run', SOURCE, DESTINATION, '--json', '--no-progress', ...flags]);
      await server.reset();
      const first = await run();
      const { outputs, cpuSeconds: serverCpuSeconds } = await server.seen();
      checkOutputs('the command line', server.raw, outputs);
      say('rolled up; every byte is there');
      const verified = await commandLine<{ status: string }>(server, [
        'verify',
        DESTINATION,
        '--json',
        '--no-progress',
      ]);
      const again = await run();
      const result = { machine: machine(), raw: server.raw, first, serverCpuSeconds, verified, again };
      process.stdout.write(`${options.json === true ? JSON.stringify(result) : formatHour(result)}\n`);
    } finally {
      await server.close();
    }
  });

async function commandLine<Result>({ environment }: RemoteServer, flags: string[]): Promise<Ended<Result>> {
  const began = performance.now();
  const child = spawn(process.execPath, [...commandLineFlags(), COMMAND_LINE, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  const watching = watch(child.pid ?? 0);
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const [printed, [code]] = await Promise.all([text(child.stdout), ended]);
  const used = watching.stop();
  if (code !== 0) throw new Error(`s3-rollup ${flags.join(' ')} ended with ${String(code)}.`);
  const seconds = (performance.now() - began) / 1000;
  return { result: JSON.parse(printed) as Result, used, seconds };
}
