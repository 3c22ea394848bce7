import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { plainTemplate } from './template.ts';
import { zipFolder } from './zip.ts';

/**
 * Makes all that a release consists of, in release/: the packed package, function.zip, steps.zip, the plain template, and the
 * SHA-256 of each of them.
 */
const PROJECT = join(import.meta.dirname, '..');
const RELEASE = join(PROJECT, 'release');

const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')));

rmSync(RELEASE, { recursive: true, force: true });
mkdirSync(RELEASE);
// Builds dist/ first.
execFileSync('npm', ['pack', '--pack-destination', RELEASE], {
  cwd: PROJECT,
  stdio: ['ignore', 'ignore', 'inherit'],
});
for (const name of ['function', 'steps'])
  writeFileSync(join(RELEASE, `${name}.zip`), zipFolder(join(PROJECT, 'dist', name)));
writeFileSync(join(RELEASE, 's3-log-rollup.template.json'), `${JSON.stringify(plainTemplate(version))}\n`);
const sums = readdirSync(RELEASE).map((name) => {
  const bytes = readFileSync(join(RELEASE, name));
  console.log(`release/${name}  ${bytes.length.toLocaleString('en-US')} bytes`);
  return `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`;
});
writeFileSync(join(RELEASE, 'SHA256SUMS'), sums.join(''));
