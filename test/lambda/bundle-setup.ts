import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Folder of the bundle that synthesis made for this test run. */
    bundle: string;
  }
}

const root = join(import.meta.dirname, '..', '..');
const bin = join(root, 'node_modules', '.bin');

/** One synthesis a test run, before its first test, and only where a test of the function is among them. */
export default function setup(project: TestProject) {
  if (!project.vitest.state.getPaths().some((file) => dirname(file) === import.meta.dirname))
    return undefined;
  const output = mkdtempSync(join(tmpdir(), 's3-log-rollup-bundle-'));
  const { status, stderr } = spawnSync(join(bin, 'cdk'), ['synth', '--quiet', '--output', output], {
    cwd: root,
    encoding: 'utf8',
    env: {
      ...process.env,
      PATH: [bin, process.env['PATH']].join(delimiter),
      CDK_DOCKER: 'false',
      AWS_PROFILE: undefined,
    },
  });
  const remove = (): void => {
    rmSync(output, { recursive: true });
  };
  const asset = readdirSync(output).find((name) => name.startsWith('asset.'));
  if (status !== 0 || asset === undefined) {
    remove();
    throw new Error(`cdk synth made no bundle:\n${stderr}`);
  }
  project.provide('bundle', join(output, asset));
  return remove;
}
