import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '../../lambda/settings/table.ts';
import { type Measured, checkOutputs } from '../measure.ts';
import { watch } from '../process/watch.ts';
import { say } from '../report/say.ts';
import { BUCKET, OUTPUT_PREFIX, RAW_PREFIX } from '../server/bench-server.ts';
import type { RemoteServer } from '../server/remote-server.ts';

/** Programs in Go, by the mode of `bench/go/main.go`. */
export const GO_MODES = { go: 'seed', 'go, lean': 'lean' } as const;
export type GoName = keyof typeof GO_MODES;

/** Connections of the program that this one replaces. */
const SEED_CONCURRENCY = 250;

/**
 * Builds the programs in Go, with the SDK for Go from Go's module proxy.
 *
 * @returns the executable; undefined, and a word on stderr, where there is no Go toolchain or no network
 */
export function buildGo(): string | undefined {
  const executable = join(mkdtempSync(join(tmpdir(), 's3-log-rollup-go-')), 'rollup');
  try {
    execFileSync('go', ['build', '-o', executable, '.'], { cwd: join(import.meta.dirname, '../go') });
    return executable;
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    say(`left out: the programs in Go, which could not be built (${reason})`);
    return undefined;
  }
}

/** Times that a program in Go is run, the first included: it has no retries where the server ends a connection. */
const RUNS = 4;

/** Runs a program in Go. It is measured from outside, from its start to its end. */
export async function measureGo(
  server: RemoteServer,
  executable: string,
  name: GoName,
  settings: Settings,
): Promise<Measured> {
  for (let attempt = 1; ; attempt++) {
    const measured = await runGo(server, executable, name, settings);
    if (measured !== undefined) return measured;
    if (attempt === RUNS) throw new Error(`${name} failed ${RUNS} times.`);
    say(`${name} failed, and is run again`);
  }
}

/** Undefined where the program failed. Node's server ends a connection on which a body comes before its last answer has gone out. */
async function runGo(
  server: RemoteServer,
  executable: string,
  name: GoName,
  settings: Settings,
): Promise<Measured | undefined> {
  await server.reset();
  const concurrency = name === 'go' ? SEED_CONCURRENCY : settings.concurrency;
  const given = [GO_MODES[name], BUCKET, RAW_PREFIX, OUTPUT_PREFIX, String(concurrency)];
  const { NODE_EXTRA_CA_CERTS: ca, ...environment } = server.environment;
  const began = performance.now();
  const child = spawn(executable, given, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      ...environment,
      SSL_CERT_FILE: ca,
      AWS_CA_BUNDLE: undefined,
      AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required',
    },
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
