import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseContext } from '../../lib/config/context.ts';
import { LogRollupStack } from '../../lib/log-rollup-stack.ts';
import { DEPLOYMENTS, VARIANTS, appContext, createApp, inlineCode, synthesize } from './synthesis.ts';

const ALL = Object.entries({ ...DEPLOYMENTS, ...VARIANTS });

it("CDK's own validation finds no error in any template", () => {
  const app = createApp(appContext(), { validates: true });
  for (const [name, context] of ALL) {
    const settings = parseContext(appContext(context));
    new LogRollupStack(app, name.replaceAll(/\W+/g, '-'), { settings, code: inlineCode() });
  }
  // It throws where there is one.
  expect(app.synth().stacks).toHaveLength(ALL.length);
});

// cfn-lint is a Python program: the test is skipped if it is not installed.
const installed = spawnSync('cfn-lint', ['--version']).status === 0;
const hint = installed ? '' : ' (not installed: pip install cfn-lint)';

it.skipIf(!installed)(`cfn-lint has nothing to say about any template${hint}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'cfn-lint-'));
  try {
    const files = ALL.map(([name, context]) => {
      const file = join(folder, `${name.replaceAll(/\W+/g, '-')}.json`);
      writeFileSync(file, JSON.stringify(synthesize(context).toJSON(), null, 2));
      return file;
    });
    const { status, stdout } = spawnSync('cfn-lint', files, { encoding: 'utf8' });
    expect(stdout.trim()).toBe('');
    expect(status).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
