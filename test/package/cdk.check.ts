import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { startLambda } from '../invocation/support/lambda-process.ts';
import {
  environmentOf,
  hourText,
  openBucket,
  putHour,
  rolledUp,
  TEMPLATE,
} from '../invocation/support/raw-logs.ts';
import { stepsOf } from '../docs/page-shell.ts';
import { page } from '../lib/markdown.ts';
import { exec, npmInstall, outsideEnv } from './outside.ts';

const PROJECT = join(import.meta.dirname, '..', '..');
const read = (file: string): unknown => JSON.parse(readFileSync(join(PROJECT, file), 'utf8'));
const { peerDependencies } = z
  .object({ peerDependencies: z.record(z.string(), z.string()) })
  .parse(read('package.json'));
/** The program `cdk` that this repository is tried with, exactly: to find the newest of a range takes a registry minutes. */
const { version } = z.object({ version: z.string() }).parse(read('node_modules/aws-cdk/package.json'));
const CDK = `aws-cdk@${version}`;
/** The least of a range: `^2.255.0` -> `2.255.0`. */
const least = (name: string): string => `${name}@${(peerDependencies[name] ?? '').replace('^', '')}`;

const STACK = `import * as cdk from 'aws-cdk-lib/core';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { LogRollup, addOutputs } from 's3-log-rollup/cdk';

export class AppStack extends cdk.Stack {
  constructor(scope: Construct, id: string, props?: cdk.StackProps) {
    super(scope, id, props);
    const rollup = new LogRollup(this, 'Rollup', {
      rawBucket: Bucket.fromBucketName(this, 'Logs', 'application-logs'),
      streams: [{ name: 'checkout' }],
      engine: { fanOut: true, targetSize: '64MiB' },
    });
    addOutputs(rollup);
  }
}
`;

/** Under Jest, as the app's own tests are. */
const TEST = `import * as cdk from 'aws-cdk-lib/core';
import { Template } from 'aws-cdk-lib/assertions';
import { AppStack } from '../lib/app-stack';

test('one schedule', () => {
  const template = Template.fromStack(new AppStack(new cdk.App(), 'Tested'));
  template.resourceCountIs('AWS::Scheduler::Schedule', 1);
});
`;

const MODULE = `import { App } from 'aws-cdk-lib';
import { InvalidConfiguration, LogRollupStack } from 's3-log-rollup/cdk';

const app = new App();
new LogRollupStack(app, 'LogRollup', {
  settings: { rawBucketName: 'application-logs', streams: [{ name: 'checkout' }], alarmEmail: 'on-call@example.com' },
});
try {
  new LogRollupStack(app, 'Wrong', { settings: { rawBucketName: 'Not A Bucket' } });
} catch (error) {
  if (!(error instanceof InvalidConfiguration)) throw error;
  app.node.tryRemoveChild('Wrong');
}
app.synth();
`;

const functionSchema = z.object({
  Description: z.string(),
  Handler: z.literal('index.handler'),
  Code: z.object({ S3Key: z.string() }),
});

const templateSchema = z.object({
  Resources: z.record(
    z.string(),
    z.object({
      Type: z.string(),
      Properties: z.looseObject({}).optional(),
    }),
  ),
});

/** The folders of the functions' code in a cloud assembly, by their descriptions. */
function codeOf(assembly: string, stack: string): Map<string, string> {
  const { Resources } = templateSchema.parse(
    JSON.parse(readFileSync(join(assembly, `${stack}.template.json`), 'utf8')),
  );
  const functions = Object.values(Resources).filter(({ Type }) => Type === 'AWS::Lambda::Function');
  return new Map(
    functions.map(({ Properties }) => {
      const { Description, Code } = functionSchema.parse(Properties);
      return [Description, join(assembly, `asset.${Code.S3Key.replace('.zip', '')}`)];
    }),
  );
}

/** Expects the code to be what the package brings. */
function expectPrebundled(folder: string | undefined, name: 'function' | 'steps', app: string): string {
  const brought = join(app, 'node_modules', 's3-log-rollup', 'dist', name);
  expect(readdirSync(folder ?? '').sort()).toEqual(['index.mjs', 'index.mjs.map']);
  expect(readFileSync(join(folder ?? '', 'index.mjs'))).toEqual(readFileSync(join(brought, 'index.mjs')));
  return folder ?? '';
}

/** Has the function roll up an hour of a local S3. */
async function expectHour(bundle: string): Promise<void> {
  const sandbox = await openBucket();
  const logs = putHour(sandbox, 8);
  await using lambda = await startLambda({ env: environmentOf(sandbox), bundle });
  const { result } = await lambda.invoke({ source: TEMPLATE, hour: hourText(8) });
  expect(result).toMatchObject({ status: 'committed', objects: 3 });
  expect(rolledUp(sandbox, 8)).toBe(logs);
  await sandbox.close();
}

const FUNCTION = 'Rolls an hour of raw logs up into 32 MiB outputs';
const STEPS = 'Plans, writes or commits a part of a large rollup';

describe('s3-log-rollup/cdk', () => {
  it('in an app that cdk init makes: compiles, passes its tests and is synthesised with the code of the package', async () => {
    const app = join(inject('outside'), 'app');
    const env = outsideEnv(inject('nodes')['24.5.0'], { CDK_DOCKER: 'false' });
    const run = (program: string, ...args: string[]) => exec(program, args, { cwd: app, env });
    mkdirSync(app);
    await run(
      'npx',
      '--prefer-offline',
      '--yes',
      CDK,
      'init',
      'app',
      '--language',
      'typescript',
      '--generate-only',
    );
    writeFileSync(join(app, 'lib', 'app-stack.ts'), STACK);
    writeFileSync(join(app, 'test', 'app.test.ts'), TEST);
    await npmInstall(app, [inject('tarball')]);
    await run('npx', 'tsc', '--skipLibCheck', 'false');
    await run('npm', 'test');
    await run('npx', 'cdk', 'synth', '--quiet');
    const code = codeOf(join(app, 'cdk.out'), 'AppStack');
    expectPrebundled(code.get(STEPS), 'steps', app);
    await expectHour(expectPrebundled(code.get(FUNCTION), 'function', app));
  });

  it('in the example of this repository', async () => {
    const app = join(inject('outside'), 'example');
    const env = outsideEnv(inject('nodes')['24.5.0'], { CDK_DOCKER: 'false' });
    cpSync(join(PROJECT, 'examples', 'cdk-typescript'), app, { recursive: true });
    await npmInstall(app, [inject('tarball')]);
    await exec('npx', ['cdk', 'synth', '--quiet'], { cwd: app, env });
    expectPrebundled(codeOf(join(app, 'cdk.out'), 'Logs').get(FUNCTION), 'function', app);
  });

  it('in the app of the guide to existing buckets, by its own commands: nothing of S3 is in the template', async () => {
    const app = join(inject('outside'), 'guide');
    const env = outsideEnv(inject('nodes')['24.5.0'], { CDK_DOCKER: 'false' });
    const guide = page('guides/beside-existing-buckets.md');
    const block = (of: string): string =>
      new RegExp(`^\`\`\`${of}\\n([^]*?)^\`\`\``, 'm').exec(guide)?.[1] ?? '';
    mkdirSync(app);
    writeFileSync(join(app, 'app.ts'), block('ts'));
    writeFileSync(join(app, 'cdk.json'), block('json'));
    const packages = [...block('sh').matchAll(/^npm install (?:--\S+ )?(.*)$/gm)].flatMap(([, names = '']) =>
      names.split(' '),
    );
    expect(packages).toContain('aws-cdk@2');
    const here: Record<string, string> = { 's3-log-rollup': inject('tarball'), 'aws-cdk@2': CDK };
    await npmInstall(
      app,
      packages.map((name) => here[name] ?? name),
    );
    const synth = stepsOf('guides/beside-existing-buckets.md').find(({ printed }) => printed !== undefined);
    const { stdout } = await exec('bash', ['-euo', 'pipefail', '-c', synth?.commands ?? ''], {
      cwd: app,
      env,
    });
    expect(stdout).toContain(synth?.printed);
    expect(stdout).toContain('"Type": "AWS::Lambda::Function"');
    expectPrebundled(codeOf(join(app, 'cdk.out'), 'Logs').get(FUNCTION), 'function', app);
  });

  it('in an app of ES modules, with the oldest CDK that is admitted and without esbuild', async () => {
    const app = join(inject('outside'), 'module');
    const env = outsideEnv(inject('nodes')['22.21.0'], {
      CDK_DOCKER: 'false',
      CDK_OUTDIR: join(app, 'cdk.out'),
    });
    mkdirSync(app);
    writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }');
    writeFileSync(join(app, 'app.js'), MODULE);
    await npmInstall(app, [inject('tarball'), least('aws-cdk-lib'), least('constructs')]);
    expect(readdirSync(join(app, 'node_modules'))).not.toContain('esbuild');
    await exec('node', ['app.js'], { cwd: app, env });
    const code = codeOf(join(app, 'cdk.out'), 'LogRollup');
    await expectHour(expectPrebundled(code.get(FUNCTION), 'function', app));
  });
});
