import { formatSize } from '../../lambda/size.ts';
import type { HourState } from '../operator/hour-status.ts';
import { STATES, gridsOf } from '../output/heat-map.ts';
import { formatCount, formatDollars, formatNoun } from '../output/output.ts';
import { SCRIPT, STYLE } from './assets.ts';
import type { Chart } from './charts.ts';
import { escapeHtml, escapeJson } from './html.ts';
import type { Report } from './report.ts';

type Hour = Report['hours'][number];

/** One self-contained page: it loads nothing, and its policy would not let it. */
export function* formatPage(report: Report, charts: readonly Chart[]): Generator<string> {
  const { from, to, createdAt, status } = report;
  const title = `Rollup of ${from} to ${to}`;
  yield `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<style>${STYLE}</style></head><body><main>
<h1>${escapeHtml(title)}</h1>
<p>${status === 'complete' ? 'Every hour is rolled up, or has nothing to roll up.' : `${formatNoun(report.attention.length, 'matter')} below ${report.attention.length === 1 ? 'needs' : 'need'} attention.`} Hours are in UTC; read at ${escapeHtml(createdAt)}.</p>
`;
  yield facts(report);
  yield* heatMaps(report.hours);
  yield* attention(report);
  yield '<h2>Volume, limits and cost</h2>\n';
  for (const { title: name, summary, svg } of charts)
    yield `<figure><figcaption>${escapeHtml(name)}</figcaption><div role="img" aria-label="${escapeHtml(summary)}">${svg}</div></figure>\n`;
  yield costs(report);
  yield '</main>\n<script type="application/json" id="data">';
  yield* dataOf(report);
  yield `</script>\n<script>${SCRIPT}</script>\n</body></html>\n`;
}

/** The report as JSON, hour by hour: of many hours one text would be large. */
function* dataOf({ hours, ...report }: Report): Generator<string> {
  yield escapeJson({ ...report, hours: [] }).replace(/\]\}$/, '');
  for (const [i, hour] of hours.entries()) yield `${i === 0 ? '' : ','}\n${escapeJson(hour)}`;
  yield ']}';
}

function facts({ totals, deadLetters }: Report): string {
  const ratio =
    totals.outputs === 0 ? '' : `, ${formatCount(Math.round(totals.objects / totals.outputs))} to 1`;
  const rows: [string, string][] = [
    ...(Object.keys(STATES) as HourState[]).map((state): [string, string] => [
      `hours ${state}`,
      formatCount(totals.hours[state]),
    ]),
    ['sources rolled up', `${formatCount(totals.objects)}, ${formatSize(totals.bytes)}`],
    ['outputs', `${formatCount(totals.outputs)}, ${formatSize(totals.outputBytes)}${ratio}`],
    ['late objects', formatCount(totals.late)],
    ...(deadLetters === undefined ? [] : [['dead letters', formatCount(deadLetters)] as [string, string]]),
  ];
  const lines = rows.map(
    ([name, value]) => `<tr><th scope="row">${name}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<table class="facts">${lines.join('')}</table>\n`;
}

function* heatMaps(hours: readonly Hour[]): Generator<string> {
  const legend = (Object.keys(STATES) as HourState[])
    .map((state) => `<span class="key" data-state="${state}">${STATES[state].letter} ${state}</span>`)
    .join(' ');
  yield `<h2>Hours</h2>\n<p>${legend} The more bytes, the deeper the shade. Arrow keys go from hour to hour.</p>\n`;
  const most = hours.reduce((largest, hour) => Math.max(largest, volume(hour)), 1);
  const columns = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, '0'));
  for (const { stream, days } of gridsOf(hours)) {
    const name = stream === undefined ? 'Hours by day' : `Hours by day of ${stream}`;
    yield `<div class="scroll"><table class="map" role="grid" aria-label="${escapeHtml(name)}"><caption>${escapeHtml(stream ?? '')}</caption>
<thead><tr><th scope="col">day</th>${columns.map((hour) => `<th scope="col">${hour}</th>`).join('')}</tr></thead><tbody>\n`;
    let isFirst = true;
    for (const { day, hours: cells } of days) {
      let row = `<tr><th scope="row">${day}</th>`;
      for (const cell of cells) {
        if (cell === undefined) {
          row += '<td></td>';
          continue;
        }
        const shade = Math.sqrt(volume(cell) / most).toFixed(2);
        row += `<td data-state="${cell.state}" style="--shade:${shade}" tabindex="${isFirst ? 0 : -1}" aria-label="${escapeHtml(describe(cell))}">${STATES[cell.state].letter}</td>`;
        isFirst = false;
      }
      yield `${row}</tr>\n`;
    }
    yield '</tbody></table></div>\n';
  }
  yield '<div id="detail" role="status">Point at an hour, or go to it by keyboard, to see it here.</div>\n';
}

/** Bytes of an hour: those that are rolled up, or those that lie in raw. */
function volume({ committed, bytes }: Hour): number {
  return Math.max(bytes, committed?.bytes ?? 0);
}

/** All of an hour in one line. */
function describe({
  hour,
  stream,
  state,
  failed,
  objects,
  bytes,
  late,
  committed,
  run,
  problem,
}: Hour): string {
  return [
    `${hour.replace('T', ' ')}:00${stream === undefined ? '' : ` ${stream}`}: ${state}`,
    ...(failed === undefined
      ? []
      : [`${formatNoun(failed.requests, 'request')} in the dead-letter queue; in S3 ${failed.state}`]),
    `${formatNoun(objects, 'raw object')}, ${formatSize(bytes)}`,
    ...(late === 0 ? [] : [`${formatCount(late)} late`]),
    ...(committed === undefined
      ? []
      : [
          `${formatCount(committed.objects)} rolled up into ${formatNoun(committed.outputs, 'output')} of ${formatSize(committed.outputBytes)}`,
        ]),
    ...(run === undefined ? [] : [`in ${run.durationSeconds.toFixed(1)} s by ${run.by} ${run.version}`]),
    ...(problem === undefined ? [] : [problem]),
  ].join('; ');
}

function* attention({ attention: matters }: Report): Generator<string> {
  yield '<h2>What needs attention</h2>\n';
  if (matters.length === 0) {
    yield '<p>Nothing.</p>\n';
    return;
  }
  const head = ['what', 'hour', 'stream', 'why', 'command that mends it'].map(
    (name) => `<th scope="col">${name}</th>`,
  );
  yield `<div class="scroll" tabindex="0" role="region" aria-label="What needs attention"><table class="wide"><thead><tr>${head.join('')}</tr></thead><tbody>\n`;
  for (const { kind, hour = '', stream = '', what, command } of matters)
    yield `<tr><td>${kind}</td><td>${escapeHtml(hour)}</td><td>${escapeHtml(stream)}</td><td>${escapeHtml(what)}</td><td><code>${escapeHtml(command)}</code></td></tr>\n`;
  yield '</tbody></table></div>\n';
}

function costs({ cost: { prices, requests, hoursWithFigures, storageMonth, readOnce } }: Report): string {
  const rows = [
    ['storage of a month', storageMonth.without, storageMonth.with],
    ['GETs to read all of it once', readOnce.without, readOnce.with],
  ] as const;
  const lines = rows.map(
    ([name, without, rolled]) =>
      `<tr><th scope="row">${name}</th><td class="number">${formatDollars(without)}</td><td class="number">${formatDollars(rolled)}</td></tr>`,
  );
  return `<h2>Cost without and with rollup</h2>
<table class="wide"><thead><tr><th scope="col">cost</th><th scope="col">raw objects</th><th scope="col">outputs</th></tr></thead><tbody>${lines.join('')}</tbody></table>
<p>S3 requests of the runs: ${formatDollars(requests)}, of ${formatNoun(hoursWithFigures, 'hour')} that left figures. Prices: ${escapeHtml(prices.of)}.</p>
`;
}
