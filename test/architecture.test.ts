import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PURE, violationsIn } from './support/architecture.ts';

const ROOT = join(import.meta.dirname, '..');
const FILES = globSync('{bin,lib,lambda,sandbox,demo}/**/*.ts', { cwd: ROOT }).toSorted();

describe('the house', () => {
  it('has rooms to look at', () => {
    expect(FILES).toEqual(
      expect.arrayContaining(['bin/s3-rollup.ts', 'lambda/rollup/rollup.ts', 'lambda/names.ts']),
    );
    expect(PURE.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it.each(FILES)('%s keeps its arrows', (path) => {
    expect(violationsIn(path, readFileSync(join(ROOT, path), 'utf8'))).toEqual([]);
  });

  it('speaks to queues from one file at most', () => {
    const speaking = FILES.filter((path) => path.startsWith('lambda/')).filter((path) =>
      readFileSync(join(ROOT, path), 'utf8').includes("'@aws-sdk/client-sqs'"),
    );
    expect(speaking.length).toBeLessThanOrEqual(1);
  });
});

describe('a violation is seen where', () => {
  it.each([
    ['lambda imports from sandbox', 'lambda/run.ts', "import { a } from '../sandbox/sandbox.ts';"],
    ['lambda imports from bin', 'lambda/rollup/rollup.ts', "import type { A } from '../../bin/options.ts';"],
    ['lambda imports from lib', 'lambda/handler.ts', "export * from '../lib/log-rollup.ts';"],
    [
      'lib imports more than names and settings',
      'lib/log-rollup.ts',
      "import { parseHour } from '../lambda/rollup/model/hour.ts';",
    ],
    ['lib imports from bin', 'lib/log-rollup.ts', "const { a } = await import('../bin/app.ts');"],
    [
      'lib names a type of the sandbox',
      'lib/log-rollup.ts',
      "type A = import('../sandbox/sandbox.ts').Sandbox;",
    ],
    ['the sandbox imports from lambda', 'sandbox/checksums.ts', "import { a } from '../lambda/size.ts';"],
    ['the demo imports from bin', 'demo/command-line.ts', "import { a } from '../bin/options/options.ts';"],
    ['bin imports from test', 'bin/app.ts', "import './support/world.ts';"],
    ['the core speaks to S3', 'lambda/rollup/rollup.ts', "import { S3Client } from '@aws-sdk/client-s3';"],
    ['the handler uploads', 'lambda/handler.ts', "import { Upload } from '@aws-sdk/lib-storage';"],
    [
      'a pure file imports an impure one',
      'lambda/rollup/plan/planner.ts',
      "import { assemble } from './assemble.ts';",
    ],
    ['a pure file reads files', 'lambda/rollup/model/hour.ts', "import { readFileSync } from 'node:fs';"],
    [
      'a pure file imports half a type',
      'lambda/rollup/plan/planner.ts',
      "import { type Report, tell } from './rollup.ts';",
    ],
    ['a pure file asks for the time', 'lambda/rollup/model/hour.ts', 'const now = new Date();'],
    ['a pure file asks for the time as text', 'lambda/rollup/model/hour.ts', 'const now = Date();'],
    [
      'a pure file asks for the time in milliseconds',
      'lambda/rollup/model/manifest.ts',
      'const now = Date.now();',
    ],
    ['a pure file measures time', 'lambda/rollup/write/source-offsets.ts', 'const now = performance.now();'],
    ['a pure file reads the environment', 'lambda/rollup/model/kind.ts', "const a = process.env['A'];"],
    ['a pure file logs', 'lambda/rollup/plan/pack.ts', "console.log('a');"],
    ['a pure file throws dice', 'lambda/rollup/plan/pack.ts', 'const a = Math.random();'],
    ['a pure file waits', 'lambda/rollup/model/key-order.ts', 'setTimeout(() => {}, 1);'],
  ])('%s', (_, path, text) => {
    expect(violationsIn(path, text)).toHaveLength(1);
  });

  it.each([
    ['the SDK under lambda/s3', 'lambda/s3/copy.ts', "import { S3Client } from '@aws-sdk/client-s3';"],
    ['the sandbox in the demo', 'demo/story.ts', "import { a } from '../sandbox/sandbox.ts';"],
    ['names in lib', 'lib/log-rollup.ts', "import { ENV } from '../lambda/names.ts';"],
    ['settings in lib', 'lib/config/engine.ts', "import { ROWS } from '../lambda/settings/settings.ts';"],
    ['an instant that was passed in', 'lambda/rollup/model/hour.ts', 'const start = new Date(text);'],
    [
      'a type of an impure file',
      'lambda/rollup/plan/planner.ts',
      "import type { Report } from './events.ts';",
    ],
    [
      'types of an impure file, one by one',
      'lambda/rollup/plan/planner.ts',
      "import { type Report } from './events.ts';",
    ],
    ['a property that is called like a global', 'lambda/rollup/plan/planner.ts', 'const a = plan.process;'],
    ['the time in the core', 'lambda/run.ts', 'const now = new Date();'],
  ])('and not in %s', (_, path, text) => {
    expect(violationsIn(path, text)).toEqual([]);
  });
});
