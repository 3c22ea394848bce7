import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { exec, npmInstall } from './outside.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The packed package. */
    tarball: string;
    /** An empty folder outside of the repository, which is deleted at the end. */
    outside: string;
    /** Folders of the programs of Node, by their versions. */
    nodes: Record<string, string>;
  }
}

const PROJECT = join(import.meta.dirname, '..', '..');

/** The oldest releases that `engines` admits: what runs on them runs on later ones. */
const VERSIONS = ['22.21.0', '24.5.0'];

/** Packs the package as `npm publish` would, and installs the versions of Node that it is tried on. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const outside = mkdtempSync(join(tmpdir(), 's3-log-rollup-pack-'));
  // A hundred thousand files: the process goes on meanwhile, for the workers to say that they have ended.
  const remove = async (): Promise<void> => {
    await rm(outside, { recursive: true });
  };
  try {
    await exec('npm', ['pack', '--pack-destination', outside], { cwd: PROJECT, env: process.env });
    const [tarball = ''] = readdirSync(outside);
    const nodes: Record<string, string> = {};
    for (const version of VERSIONS) {
      const folder = join(outside, `node-${version}`);
      mkdirSync(folder);
      await npmInstall(folder, [`node@${version}`]);
      nodes[version] = join(folder, 'node_modules', 'node', 'bin');
    }
    project.provide('tarball', join(outside, tarball));
    project.provide('outside', outside);
    project.provide('nodes', nodes);
  } catch (error) {
    await remove();
    throw error;
  }
  return remove;
}
