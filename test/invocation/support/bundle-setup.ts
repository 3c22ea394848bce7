import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { TestProject } from 'vitest/node';

/** The outcome of `npx cdk synth`. */
interface Synthesis {
  /** The cloud assembly's folder. */
  output: string;
  status: number | null;
  stderr: string;
  /** Processor time, which depends little on other work of the machine. */
  cpuSeconds: number;
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Folder of the bundle that synthesis made for this test run. */
    bundle: string;
    synthesis: Synthesis;
  }
}

const root = join(import.meta.dirname, '..', '..', '..');
/** The folder of tests of the function. */
const TESTS = join(root, 'test', 'invocation');
const bin = join(root, 'node_modules', '.bin');

/** The tests outside of that folder that need this synthesis, or its bundle. */
const OTHERS = [
  join(root, 'test', 'lib', 'app.test.ts'),
  join(root, 'test', 'bin', 'operator', 'smoke.test.ts'),
  join(root, 'test', 'bin', 'operator', 'permissions.test.ts'),
];

/** One synthesis a test run, before its first test, and only where a test that needs it is among them. */
export default function setup(project: TestProject) {
  const files = project.vitest.state.getPaths();
  if (!files.some((file) => dirname(file) === TESTS || OTHERS.includes(file))) return undefined;
  const output = mkdtempSync(join(tmpdir(), 's3-log-rollup-bundle-'));
  const synthesis = { output, ...cdkSynth('--output', output) };
  const remove = (): void => {
    rmSync(output, { recursive: true });
  };
  const asset = readdirSync(output).find((name) => name.startsWith('asset.'));
  if (synthesis.status !== 0 || asset === undefined) {
    remove();
    throw new Error(`cdk synth made no bundle:\n${synthesis.stderr}`);
  }
  project.provide('bundle', join(output, asset));
  project.provide('synthesis', synthesis);
  return remove;
}

/** Runs `cdk synth` with the project's own Node first in PATH, like `npx cdk`. A call of Docker fails the synthesis. */
export function cdkSynth(...options: string[]): Omit<Synthesis, 'output'> {
  // The second line of the shell's `times` is the processor time of its children, user and system.
  const timed = '"$0" "$@"; status=$?; times; exit $status';
  const { status, stdout, stderr } = spawnSync(
    'bash',
    ['-c', timed, join(bin, 'cdk'), 'synth', '--quiet', ...options],
    {
      cwd: root,
      encoding: 'utf8',
      env: {
        ...process.env,
        LC_ALL: 'C',
        PATH: [bin, process.env['PATH']].join(delimiter),
        CDK_DOCKER: 'false',
        AWS_PROFILE: undefined,
      },
    },
  );
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  const times = Array.from(last.matchAll(/(\d+)m([\d.]+)s/g), ([, m, s]) => 60 * Number(m) + Number(s));
  return { status, stderr, cpuSeconds: times.length === 2 ? (times[0] ?? 0) + (times[1] ?? 0) : NaN };
}
