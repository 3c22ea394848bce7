import { existsSync } from 'node:fs';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The path of an installed Chromium: that of the variable CHROMIUM where it is set, or one of the usual ones; undefined where there is none. */
export function findChromium(): string | undefined {
  const named = process.env['CHROMIUM'];
  return (named === undefined ? CANDIDATES : [named]).find((path) => existsSync(path));
}
