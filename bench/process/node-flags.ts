import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const Package = z.object({ scripts: z.object({ 's3-rollup': z.string() }) });

/** The flags that `npm run s3-rollup` starts Node with. */
export function commandLineFlags(): string[] {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  const script = Package.parse(JSON.parse(text)).scripts['s3-rollup'];
  return script.split(' ').filter((word) => word.startsWith('--'));
}
