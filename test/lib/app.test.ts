import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { cdkSynth } from '../invocation/support/bundle-setup.ts';

const output = mkdtempSync(join(tmpdir(), 's3-log-rollup-synth-'));

afterAll(() => {
  rmSync(output, { recursive: true });
});

describe('npx cdk synth', () => {
  it('refuses a context and a settings file that are wrong with their problems and nothing else', () => {
    const file = join(output, 'settings.json');
    writeFileSync(file, JSON.stringify({ newline: 'none', stack: { rawRoot: 'raw', tracing: true } }));
    const { status, stderr } = cdkSynth('--output', output, '-c', 'concurrency=0', '-c', `config=${file}`);
    expect(stderr).toContain(
      `Invalid context:\n  ${file}: stack.rawRoot: must be empty or end with "/"\n  concurrency: must be`,
    );
    expect(stderr).not.toContain('    at ');
    expect(status).not.toBe(0);
  });
});

describe('npx cdk synth, with the real bundle', () => {
  const { output: synthesised } = inject('synthesis');

  it('takes under a minute of processor time, without Docker', () => {
    const { status, stderr, cpuSeconds } = inject('synthesis');
    expect(stderr).not.toMatch(/error/i);
    expect(status).toBe(0);
    expect(cpuSeconds).toBeLessThan(60);
  });

  it('makes one bundle of at most 1.5 MB, with its source map and nothing else', () => {
    const assets = readdirSync(synthesised).filter((name) => name.startsWith('asset.'));
    expect(assets).toHaveLength(1);
    const bundle = join(synthesised, assets[0] ?? '');
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
    const manifest = JSON.parse(readFileSync(join(synthesised, 'manifest.json'), 'utf8')) as {
      missing?: unknown;
    };
    expect(manifest.missing).toBeUndefined();
    expect(existsSync(join(synthesised, 'LogRollup.template.json'))).toBe(true);
  });
});
