import { expect, it } from 'vitest';
import { Samples } from '../../../lambda/rollup/sample/spread-samples.ts';
import { Weights } from '../../../lambda/rollup/sample/weights.ts';
import { expectedFormat } from '../../../lambda/rollup/model/format.ts';
import type { Piece } from '../../../lambda/rollup/model/output.ts';
import { listed } from '../../support/planning.ts';

const byKey = ({ source }: Piece) => expectedFormat(source.key);

it.each([
  [0, 0, 0],
  [16, 16, 1],
  [17, 9, 2],
  [32, 16, 2],
  [33, 9, 4],
  [100_000, 13, 8192],
])('of %d sources, %d are samples, %d apart', (count, held, apart) => {
  const samples = new Samples(new Weights({ codec: 'zstd', level: 3 }, byKey));
  for (let i = 0; i < count; i++) samples.add({ source: listed(String(i), 1), from: undefined });
  const keys = (samples.byForm.get('plain') ?? []).map(({ source }) => Number(source.key));
  expect(keys).toEqual(Array.from({ length: held }, (_, i) => i * apart));
});

it('each form has samples of its own, and a form that is not encoded anew has none', () => {
  const samples = new Samples(new Weights({ codec: 'zstd', level: 3 }, byKey));
  for (const key of ['a.log', 'b.gz', 'c.zst', 'd.gz'])
    samples.add({ source: listed(key, 1), from: undefined });
  const keys = Array.from(samples.byForm, ([form, pieces]) => [
    form,
    ...pieces.map(({ source }) => source.key),
  ]);
  expect(keys).toEqual([
    ['plain', 'a.log'],
    ['gzip', 'b.gz', 'd.gz'],
  ]);
});
