import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { startSandbox } from '../sandbox/sandbox.ts';
import { Bucket } from './bucket.ts';
import { findChromium } from './chromium.ts';
import { runCommand } from './command-line.ts';
import { type RawObject, rawLogs } from './raw-logs.ts';

/**
 * `npm run report:picture`: the logs of the demo as three days of hours, rolled up, and the page of their report as a picture
 * for the documents. It takes some minutes, and needs Chromium.
 */
const PICTURE = join(import.meta.dirname, '../docs/report.png');
const MOST_BYTES = 200_000;
const WIDTH = 1_024;
const BUCKET = 'application-logs';
const DAYS = ['2026-11-19', '2026-11-20', '2026-11-21'];
const SOURCE = `s3://${BUCKET}/raw/checkout/{yyyy}{MM}{dd}/{HH}/`;
const DESTINATION = `s3://${BUCKET}/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/`;
/** Small outputs, so that an hour of a few objects has some. */
const SETTINGS = ['--target-size', '5MiB', '--part-size', '5MiB'];

/** Hours that are not as they should be, for the picture. */
const EMPTY = ['2026-11-19T03', '2026-11-20T04'];
const MISSING = ['2026-11-20T17'];
const LATE = ['2026-11-21T09'];

const executablePath = findChromium();
if (executablePath === undefined) {
  console.error('No Chromium is installed. Install one, or name it by CHROMIUM=/path.');
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'report-picture-'));
const sandbox = await startSandbox({ buckets: [BUCKET] });
const bucket = new Bucket(sandbox.endpoint, BUCKET);
const page = join(folder, 'page.html');
try {
  await makePage();
  const picture = await photograph(executablePath);
  if (picture.length > MOST_BYTES)
    throw new Error(`The picture has ${picture.length} bytes, of ${MOST_BYTES}: show less of the page.`);
  writeFileSync(PICTURE, picture);
  console.log(`${PICTURE}, ${statSync(PICTURE).size} bytes`);
} finally {
  bucket.disconnect();
  await sandbox.close();
  rmSync(folder, { recursive: true });
}

async function makePage(): Promise<void> {
  const env = {
    ...{ AWS_ENDPOINT_URL: sandbox.endpoint, AWS_REGION: 'us-east-1' },
    ...{ AWS_ACCESS_KEY_ID: 'demo', AWS_SECRET_ACCESS_KEY: 'demo' },
  };
  const { signal } = new AbortController();
  const logs = [...rawLogs('', 40)];
  const [late] = logs;
  const hours = DAYS.flatMap((day) =>
    Array.from({ length: 24 }, (_, hour) => `${day}T${String(hour).padStart(2, '0')}`),
  );
  for (const hour of hours) {
    if (EMPTY.includes(hour)) continue;
    await bucket.putAll(under(hour, logs.slice(0, objectsIn(hour))));
    if (MISSING.includes(hour)) continue;
    await runCommand(['run', SOURCE, DESTINATION, '--hour', hour, ...SETTINGS, '--no-progress', '--json'], {
      env,
      signal,
    });
    if (LATE.includes(hour) && late !== undefined)
      await bucket.putAll(under(hour, [{ ...late, key: 'late.log' }]));
  }
  const range = ['--from', hours[0] ?? '', '--to', hours.at(-1) ?? ''];
  const where = ['--source', SOURCE, '--destination', DESTINATION];
  await runCommand(['report', ...where, ...range, '--output', page, '--no-progress', '--json'], {
    env,
    signal,
  });
}

/** Few at night, many in the afternoon. */
function objectsIn(hour: string): number {
  const ofDay = Number(hour.slice(11));
  return Math.round(22 - 16 * Math.cos(((ofDay - 3) / 12) * Math.PI));
}

function under(hour: string, logs: RawObject[]): RawObject[] {
  const prefix = `raw/checkout/${hour.slice(0, 10).replaceAll('-', '')}/${hour.slice(11)}/`;
  return logs.map(({ key, body }) => ({ key: prefix + key, body }));
}

/** The page from its top to the end of its first chart, in the light. */
async function photograph(path: string): Promise<Buffer> {
  const browser = await chromium.launch({ executablePath: path, args: ['--no-sandbox'] });
  try {
    const context = await browser.newContext({
      viewport: { width: WIDTH, height: 2_000 },
      colorScheme: 'light',
    });
    const tab = await context.newPage();
    await tab.goto(pathToFileURL(page).href);
    const chart = await tab.locator('figure').first().boundingBox();
    if (chart === null) throw new Error('The page has no chart.');
    return await tab.screenshot({ clip: { x: 0, y: 0, width: WIDTH, height: chart.y + chart.height } });
  } finally {
    await browser.close();
  }
}
