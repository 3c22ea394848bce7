import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Measured, checkOutputs } from '../measure.ts';
import { watch } from '../process/watch.ts';
import { say } from '../report/say.ts';
import type { RemoteServer } from '../server/remote-server.ts';

/** A program that is started as its users start it. */
export interface Program {
  name: string;
  executable: string;
  args: string[];
  /** Variables besides those of this process and of the server. */
  environment?: NodeJS.ProcessEnv;
}

/** Times that a program is run, the first included: those in Go have no retries where the server ends a connection. */
const RUNS = 4;

/** Runs a program. It is measured from outside, from its start to its end. */
export async function measureProgram(server: RemoteServer, program: Program): Promise<Measured> {
  for (let attempt = 1; ; attempt++) {
    const measured = await runProgram(server, program);
    if (measured !== undefined) return measured;
    if (attempt === RUNS) throw new Error(`${program.name} failed ${RUNS} times.`);
    say(`${program.name} failed, and is run again`);
  }
}

/** Undefined where the program failed. Node's server ends a connection on which a body comes before its last answer has gone out. */
async function runProgram(
  server: RemoteServer,
  { name, executable, args, environment }: Program,
): Promise<Measured | undefined> {
  await server.reset();
  const began = performance.now();
  const child = spawn(executable, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...server.environment, ...environment },
  });
  const watching = watch(child.pid ?? 0);
  const [code] = (await once(child, 'exit')) as [number | null];
  const { cpuSeconds = NaN, rssBytes = NaN, fileDescriptors } = watching.stop();
  if (code !== 0) return undefined;
  const wallSeconds = (performance.now() - began) / 1000;
  const seen = await server.seen();
  checkOutputs(name, server.raw, seen.outputs);
  return {
    objects: server.raw.objects,
    bytes: server.raw.bytes,
    cpuSeconds,
    processCpuSeconds: cpuSeconds,
    wallSeconds,
    rssBytes,
    ...(fileDescriptors !== undefined && { fileDescriptors }),
    connections: seen.peakConnections,
    requests: seen.requests,
    serverCpuSeconds: seen.cpuSeconds,
  };
}
