import { mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContext, type Page, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findChromium } from '../../../demo/chromium.ts';
import { BUCKET, STACK, openAccount } from '../operator/operator-line.ts';
import { FROM, STREAMS, fillMonth, hoursOf } from './month.ts';

const executablePath = findChromium();
if (executablePath === undefined)
  process.stderr.write('skipped: no Chromium is installed. Install one, or name it by CHROMIUM=/path.\n');

/** Where pictures of the page are kept. */
const PICTURES = join(import.meta.dirname, '../../../coverage/report');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  id: string;
  impact: string;
  nodes: { html: string; failureSummary: string }[];
}

describe.skipIf(executablePath === undefined)('the page of a report in Chromium', () => {
  let browser: Browser;
  let folder: string;
  let file: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'report-check-'));
    file = join(folder, 'page.html');
    await using account = await openAccount();
    await fillMonth(account, 5);
    // Of an hour that is rolled up, and of one that is missing.
    for (const hour of ['00', '07'])
      await account.queues.send(
        { source: `s3://${BUCKET}/raw/checkout/20251101/${hour}/` },
        account.queues.deadLetterUrl,
      );
    const range = ['--from', FROM, '--to', hoursOf(5).at(-1) ?? ''];
    const { code } = await account.json(['report', '--stack', STACK, ...range, '--output', file]);
    expect(code).toBe(0);
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox'] });
    mkdirSync(PICTURES, { recursive: true });
  });
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  /** Opens the page, and notes every request but that for it, and what the console says. */
  async function open(
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<{ context: BrowserContext; page: Page; requests: string[]; said: string[] }> {
    const context = await browser.newContext({ viewport: { width: 1_100, height: 900 }, ...options });
    const page = await context.newPage();
    const [requests, said]: [string[], string[]] = [[], []];
    page.on('request', (request) => requests.push(request.url()));
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(error.message));
    await page.goto(pathToFileURL(file).href);
    return { context, page, requests: requests.slice(1), said };
  }

  test.each(['light', 'dark'] as const)(
    'loads nothing, says nothing on the console, and passes axe-core in %s colours',
    async (colorScheme) => {
      // The page's own policy would keep axe out; that it loads nothing is seen without this.
      const { context, page, requests, said } = await open({ colorScheme, bypassCSP: true });
      await page.screenshot({ path: join(PICTURES, `${colorScheme}.png`), fullPage: true });
      expect(requests.filter((url) => !url.startsWith('data:'))).toEqual([]);
      expect(said).toEqual([]);
      await expectAccessible(page);
      await context.close();
    },
  );

  test('on paper it is dark on white, whatever the screen is, without what is for pointing at', async () => {
    const { context, page } = await open({ colorScheme: 'dark', bypassCSP: true });
    const styleOf = (selector: string, property: string): Promise<string> =>
      page.evaluate<string>(`getComputedStyle(document.querySelector('${selector}')).${property}`);
    expect(await styleOf('body', 'backgroundColor')).toBe('rgb(20, 23, 26)');
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await styleOf('body', 'backgroundColor')).toBe('rgb(255, 255, 255)');
    expect(await styleOf('body', 'color')).toBe('rgb(0, 0, 0)');
    expect(await styleOf('#detail', 'display')).toBe('none');
    expect(await styleOf('figure', 'breakInside')).toBe('avoid');
    await expectAccessible(page);
    await page.pdf({ path: join(PICTURES, 'print.pdf'), format: 'A4', printBackground: true });
    await context.close();
  });

  test('every state has its letter and its colour, and an hour of a dead letter is failed', async () => {
    const { context, page } = await open();
    const ofCells = (selector: string, text: string): Promise<string[]> =>
      page.evaluate<string[]>(`[...document.querySelectorAll('${selector}')].map((cell) => ${text})`);
    const seen = await ofCells('.map td[data-state]', 'cell.dataset.state + " " + cell.textContent');
    expect([...new Set(seen)].toSorted()).toEqual(
      ['empty .', 'failed F', 'late L', 'missing M', 'rolled-up R', 'unreadable !'].toSorted(),
    );
    const failed = await ofCells('td[data-state=failed]', 'cell.getAttribute("aria-label")');
    expect(failed).toEqual([
      expect.stringContaining(
        '2025-11-01 00:00 checkout: failed; 1 request in the dead-letter queue; in S3 rolled-up',
      ),
      expect.stringContaining(
        '2025-11-01 07:00 checkout: failed; 1 request in the dead-letter queue; in S3 missing',
      ),
    ]);
    await context.close();
  });

  /** Runs axe-core, whose findings of WCAG 2.1 A and AA have to be none. */
  async function expectAccessible(page: Page): Promise<void> {
    await page.evaluate(AXE);
    const found = await page.evaluate<{ violations: Violation[]; passes: { id: string }[] }>(
      'axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] })',
    );
    const violations = found.violations.flatMap(({ id, nodes }) =>
      nodes.slice(0, 3).map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
    );
    expect(violations).toEqual([]);
    expect(found.passes.map(({ id }) => id)).toContain('color-contrast');
  }

  test('runs its own script under its own policy, without a request', async () => {
    const { context, page, requests, said } = await open();
    await page.locator('.map td[data-state]').first().hover();
    expect(await page.locator('#detail').textContent()).toContain('2025-11-01 00:00 checkout: failed');
    expect(requests.filter((url) => !url.startsWith('data:'))).toEqual([]);
    expect(said).toEqual([]);
    await context.close();
  });

  test('arrow keys go from hour to hour, and each cell tells its hour; Tab goes from map to map', async () => {
    const { context, page } = await open();
    const focused = (): Promise<string | null> =>
      page.evaluate<string | null>('document.activeElement.getAttribute("aria-label")');
    await page.keyboard.press('Tab');
    expect(await focused()).toMatch(/^2025-11-01 00:00 checkout: failed; .*; 1 raw object/);
    await page.keyboard.press('ArrowRight');
    expect(await focused()).toMatch(/^2025-11-01 01:00 checkout/);
    await page.keyboard.press('ArrowDown');
    expect(await focused()).toMatch(/^2025-11-02 01:00 checkout/);
    expect(await page.locator('#detail').textContent()).toBe(await focused());
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    expect(await focused()).toMatch(/^2025-11-01 00:00 checkout/);
    await page.keyboard.press('Tab');
    expect(await focused()).toMatch(/^2025-11-01 00:00 search/);
    await context.close();
  });

  test('names that try to be markup are text', async () => {
    const { context, page } = await open();
    expect(await page.locator('b').count()).toBe(0);
    const captions = await page.locator('.map caption').allTextContents();
    expect(captions.at(-1)).toBe((STREAMS[3] ?? '').replace('\u202e', '\\u202e'));
    await context.close();
  });
});
