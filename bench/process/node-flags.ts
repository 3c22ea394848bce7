import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { VariantName } from '../variants/variant.ts';

const Package = z.object({ scripts: z.object({ 's3-rollup': z.string() }) });

/**
 * `own`: each program as its users start it. `alike`: all with the flags of s3-log-rollup. `lambda`: all as in Lambda.
 */
export const STARTS = ['own', 'alike', 'lambda'] as const;
export type Start = (typeof STARTS)[number];

/** The flags of Lambda's runtime with 1,024 MB, from its bootstrap for Node 18, the last that is published. */
export const LAMBDA_FLAGS = [
  '--expose-gc',
  '--max-http-header-size=81920',
  '--max-semi-space-size=51',
  '--max-old-space-size=922',
];

export function flagsOf(name: VariantName, start: Start): string[] {
  switch (start) {
    case 'own':
      return name === 's3-log-rollup' ? commandLineFlags() : [];
    case 'alike':
      return commandLineFlags();
    case 'lambda':
      return LAMBDA_FLAGS;
  }
}

/** The flags that `npm run s3-rollup` starts Node with. */
export function commandLineFlags(): string[] {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  const script = Package.parse(JSON.parse(text)).scripts['s3-rollup'];
  return script.split(' ').filter((word) => word.startsWith('--'));
}
