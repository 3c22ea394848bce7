import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DEPLOYMENTS, VARIANTS, synthesize } from './synthesis.ts';

// cfn-lint is a Python program: the test is skipped if it is not installed.
const installed = spawnSync('cfn-lint', ['--version']).status === 0;
const hint = installed ? '' : ' (not installed: pip install cfn-lint)';

it.skipIf(!installed)(`cfn-lint has nothing to say about any template${hint}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'cfn-lint-'));
  try {
    const files = Object.entries({ ...DEPLOYMENTS, ...VARIANTS }).map(([name, context]) => {
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
