import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { refusalOfNode } from '../../bin/node-version.ts';

it.each(['22.21.0', '22.22.1', '24.5.0', '24.21.0', '25.0.0', '26.1.0', process.versions.node])(
  'Node %s runs the command line',
  (version) => {
    expect(refusalOfNode(version)).toBeUndefined();
  },
);

it.each(['18.20.8', '20.20.2', '22.20.0', '23.11.0', '24.4.1'])(
  'Node %s is told what is needed',
  (version) => {
    expect(refusalOfNode(version)).toContain(`needs Node 22.21 or 24.5, or later: this is ${version}`);
  },
);

it('is what package.json says', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    engines: { node: string };
  };
  expect(engines.node).toBe('^22.21.0 || >=24.5.0');
});
