import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { exec } from './outside.ts';

const PROJECT = join(import.meta.dirname, '..', '..');
const tarball = inject('tarball');
const run = (program: string, args: string[]) => exec(program, args, { cwd: PROJECT, env: process.env });

/** Folders and files that a user of the package needs. */
const WANTED =
  /^package\/(dist|docs|examples|schema)\/|^package\/(CHANGELOG\.md|LICENSE|README\.md|package\.json)$/;

describe('the packed package', () => {
  it('holds what users need and nothing else', async () => {
    const { stdout } = await run('tar', ['tzf', tarball]);
    const files = stdout.trim().split('\n');
    expect(files.filter((file) => !WANTED.test(file))).toEqual([]);
    for (const file of [
      'index.js',
      'index.d.ts',
      'cdk.cjs',
      'cdk.d.cts',
      's3-rollup.js',
      'function/index.mjs',
    ])
      expect(files).toContain(`package/dist/${file}`);
    expect(statSync(tarball).size).toBeLessThan(4_000_000);
  });

  it('has types and exports that publint finds nothing wrong with', async () => {
    const { stdout } = await run('npx', ['publint', '--strict', tarball]);
    expect(stdout).toContain('All good!');
  });

  it('has types that every way of importing finds', async () => {
    // The engine is an ES module, which CommonJS requires on every Node that `engines` admits: engine.check.ts does.
    await run('npx', ['attw', tarball, '--ignore-rules', 'cjs-resolves-to-esm']);
  });

  it.each(['index.d.ts', 'cdk.d.cts'])('names none of the libraries that it is made with in %s', (name) => {
    const types = readFileSync(join(PROJECT, 'dist', name), 'utf8');
    const imported = Array.from(types.matchAll(/from ["']([^"']+)["']/g), ([, from = '']) => from);
    expect(imported.filter((from) => !/^(aws-cdk-lib|constructs)(\/|$)/.test(from))).toEqual([]);
    expect(types).not.toContain('zod');
  });

  it('says whose code is in it', () => {
    const licences = readFileSync(join(PROJECT, 'dist', 'THIRD-PARTY-LICENCES.txt'), 'utf8');
    for (const name of ['@aws-sdk/client-s3', 'commander', 'zod', 'hash-wasm', 're2js'])
      expect(licences).toMatch(new RegExp(`^${name} \\d`, 'm'));
  });
});
