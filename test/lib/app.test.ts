import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const project = join(import.meta.dirname, '..', '..');
const bin = join(project, 'node_modules', '.bin');
const handler = join(project, 'lambda', 'handler.ts');
const output = mkdtempSync(join(tmpdir(), 's3-log-rollup-synth-'));

afterAll(() => {
  rmSync(output, { recursive: true });
});

/** As `npx cdk` runs it: with the project's own Node first. A Docker that is called fails the synthesis. */
function cdkSynth(...options: string[]) {
  return spawnSync(join(bin, 'cdk'), ['synth', '--quiet', '--output', output, ...options], {
    cwd: project,
    encoding: 'utf8',
    env: {
      ...process.env,
      PATH: [bin, process.env['PATH']].join(delimiter),
      CDK_DOCKER: 'false',
      AWS_PROFILE: undefined,
    },
  });
}

describe('npx cdk synth', () => {
  it('refuses a context and a settings file that are wrong with their problems and nothing else', () => {
    const file = join(output, 'settings.json');
    writeFileSync(file, JSON.stringify({ newline: 'none', stack: { rawRoot: 'raw', tracing: true } }));
    const { status, stderr } = cdkSynth('-c', 'concurrency=0', '-c', `config=${file}`);
    expect(stderr).toContain(
      `Invalid context:\n  ${file}: stack.rawRoot: must be empty or end with "/"\n  concurrency: must be`,
    );
    expect(stderr).not.toContain('    at ');
    expect(status).not.toBe(0);
  });
});

describe.skipIf(!existsSync(handler))('npx cdk synth, with the real bundle', () => {
  it('takes under a minute, without Docker', () => {
    const started = performance.now();
    const { status, stderr } = cdkSynth();
    expect(stderr).not.toMatch(/error/i);
    expect(status).toBe(0);
    expect(performance.now() - started).toBeLessThan(60_000);
  });

  it('makes one bundle of at most 1.5 MB, with its source map and nothing else', () => {
    const assets = readdirSync(output).filter((name) => name.startsWith('asset.'));
    expect(assets).toHaveLength(1);
    const bundle = join(output, assets[0] ?? '');
    expect(readdirSync(bundle).sort()).toEqual(['index.mjs', 'index.mjs.map']);
    expect(statSync(join(bundle, 'index.mjs')).size).toBeLessThanOrEqual(1_500_000);
    expect(readFileSync(join(bundle, 'index.mjs'), 'utf8')).toMatch(
      /\/\/# sourceMappingURL=index\.mjs\.map\s*$/,
    );
    const map = JSON.parse(readFileSync(join(bundle, 'index.mjs.map'), 'utf8')) as { sources: string[] };
    expect(map.sources.some((source) => source.endsWith('lambda/handler.ts'))).toBe(true);
    expect(JSON.stringify(map.sources)).not.toMatch(/"\/|[A-Z]:\\/);
  });

  it('names its parts: one stack, no lookups', () => {
    const manifest = JSON.parse(readFileSync(join(output, 'manifest.json'), 'utf8')) as { missing?: unknown };
    expect(manifest.missing).toBeUndefined();
    expect(existsSync(join(output, 'LogRollup.template.json'))).toBe(true);
  });
});
