import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Settings } from '../../lambda/settings/table.ts';
import { BUCKET, OUTPUT_PREFIX, RAW_PREFIX } from '../server/bench-server.ts';
import type { Program } from './program.ts';

/** The name of the command line as it is installed, among the programs. */
export const INSTALLED = 's3-rollup, installed';

/** Builds the command line, as a package has it, for a run with these settings. */
export function installedProgram({ concurrency, outputsInFlight, partSize }: Settings): Program {
  const project = join(import.meta.dirname, '../..');
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: project, stdio: ['ignore', 'ignore', 'inherit'] });
  const flags = { concurrency, 'outputs-in-flight': outputsInFlight, 'part-size': `${partSize}` };
  return {
    name: INSTALLED,
    executable: process.execPath,
    args: [
      join(project, 'dist/s3-rollup.js'),
      'run',
      ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
      '--json',
      '--no-progress',
      `s3://${BUCKET}/${RAW_PREFIX}`,
      `s3://${BUCKET}/${OUTPUT_PREFIX}`,
    ],
  };
}
