import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { XMLParser } from 'fast-xml-parser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkOutputs } from '../../bench/measure.ts';
import type { Comparison } from '../../bench/report/comparison.ts';
import { VARIANTS } from '../../bench/variants/variant.ts';

const MAIN = join(import.meta.dirname, '../../bench/main.ts');
const run = promisify(execFile);

describe('the benchmark, small', () => {
  let folder = '';
  let comparison: Comparison;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bench-test-'));
    const flags = [
      '--objects',
      '40',
      '--rounds',
      '1',
      '--no-go',
      '--no-installed',
      '--json',
      '--svg',
      join(folder, 'bench.svg'),
    ];
    // It fails if a variant's outputs differ from the raw objects.
    const { stdout } = await run(process.execPath, [MAIN, ...flags]);
    comparison = JSON.parse(stdout) as Comparison;
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it.each(VARIANTS)('shows the figures of %s', (name) => {
    const { cpuSecondsPerGb, wallSeconds, rssBytes, requests, connections } = comparison.variants[name];
    for (const figure of [cpuSecondsPerGb, wallSeconds, rssBytes]) expect(figure).toBeGreaterThan(0);
    expect(requests).toBeGreaterThan(40);
    expect(connections).toBeGreaterThan(0);
  });

  it('shows the ratios of its figures', () => {
    const { floor, 's3-log-rollup': own } = comparison.variants;
    expect(comparison.ratios.floor.cpu).toBeCloseTo(own.cpuSecondsPerGb / floor.cpuSecondsPerGb);
  });

  it('draws a chart', () => {
    const chart = readFileSync(join(folder, 'bench.svg'), 'utf8');
    const { svg } = new XMLParser().parse(chart) as { svg: { text: (string | number)[] } };
    // The bars of s3-log-rollup, one for each of three figures.
    expect(chart.match(/<path [^>]*fill="#1a7f37"/g)).toHaveLength(3);
    const texts = svg.text.map(String);
    for (const name of VARIANTS) {
      expect(texts.filter((text) => text === name)).toHaveLength(3);
      const megabytes = Math.round(comparison.variants[name].rssBytes / 1e6).toLocaleString('en-US');
      expect(texts).toContain(megabytes);
    }
  });
});

describe('outputs that are not the raw objects', () => {
  const raw = { objects: 3, bytes: 100, crc32: 7 };

  it.each([
    ['too few bytes', { objects: 1, bytes: 99, crc32: 7 }],
    ['other bytes', { objects: 1, bytes: 100, crc32: 8 }],
  ])('are refused: %s', (_, outputs) => {
    expect(() => {
      checkOutputs('simple', raw, outputs);
    }).toThrow('The outputs of simple');
  });
});
