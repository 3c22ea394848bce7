import { expect, it } from 'vitest';
import { staleTexts } from './mutations.ts';

it('every text that a mutation replaces is in the source', () => {
  expect(staleTexts()).toEqual([]);
});
