import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '../../lambda/settings/table.ts';
import { say } from '../report/say.ts';
import { BUCKET, OUTPUT_PREFIX, RAW_PREFIX } from '../server/bench-server.ts';
import type { RemoteServer } from '../server/remote-server.ts';
import type { Program } from './program.ts';

/** Programs in Go, by the mode of `bench/go/main.go`. */
const MODES = { go: 'seed', 'go, lean': 'lean' };

/** Connections of the program that this one replaces. */
const SEED_CONCURRENCY = 250;

/**
 * Builds the programs in Go, with the SDK for Go from Go's module proxy. None, and a word on stderr, where there is no Go
 * toolchain or no network.
 */
export function goPrograms({ environment }: RemoteServer, settings: Settings): Program[] {
  const executable = buildGo();
  if (executable === undefined) return [];
  return Object.entries(MODES).map(([name, mode]) => {
    const concurrency = name === 'go' ? SEED_CONCURRENCY : settings.concurrency;
    return {
      name,
      executable,
      args: [mode, BUCKET, RAW_PREFIX, OUTPUT_PREFIX, String(concurrency)],
      environment: {
        SSL_CERT_FILE: environment['NODE_EXTRA_CA_CERTS'],
        AWS_CA_BUNDLE: undefined,
        AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required',
      },
    };
  });
}

function buildGo(): string | undefined {
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
