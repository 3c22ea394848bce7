import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEPLOYMENTS, synthesize } from './synthesis.ts';

// A Python program (pip install cfn-lint): these tests show as skipped where it is not installed.
const installed = spawnSync('cfn-lint', ['--version']).status === 0;

describe.skipIf(!installed)(`cfn-lint${installed ? '' : ' (not installed: pip install cfn-lint)'}`, () => {
  it.each(Object.entries(DEPLOYMENTS))('has nothing to say about %s', (_, context) => {
    const folder = mkdtempSync(join(tmpdir(), 'cfn-lint-'));
    try {
      const file = join(folder, 'template.json');
      writeFileSync(file, JSON.stringify(synthesize(context).toJSON(), null, 2));
      const { status, stdout } = spawnSync('cfn-lint', [file], { encoding: 'utf8' });
      expect(stdout.trim()).toBe('');
      expect(status).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
