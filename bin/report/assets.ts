/** The page's style: dark, light and on paper. Each pair of ink and ground has a contrast of 4.5 to 1 and more. */
export const STYLE = `
:root { color-scheme: light dark;
  --ground: #fff; --ink: #1c2024; --faint: #d5dade; --one: #0b63b8; --two: #a04300; --limit: #b3261e;
  --good: 22 122 60; --late: 176 112 0; --bad: 190 30 30; --open: 0 110 160; --none: 110 118 126; --fail: 130 40 160; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171a; --ink: #eceff1; --faint: #3a4147; --one: #6db4ff; --two: #ffab70; --limit: #ff8a80;
  --good: 60 180 100; --late: 220 150 20; --bad: 240 80 80; --open: 60 160 220; --none: 130 140 150; --fail: 190 110 230; } }
@media print { :root { color-scheme: light;
  --ground: #fff; --ink: #000; --faint: #ccc; --one: #0b63b8; --two: #a04300; --limit: #b3261e;
  --good: 22 122 60; --late: 176 112 0; --bad: 190 30 30; --open: 0 110 160; --none: 110 118 126; --fail: 130 40 160; }
  * { print-color-adjust: exact; } figure, tr { break-inside: avoid; } #detail { display: none; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 64rem; background: var(--ground); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; } th { text-align: left; font-weight: 600; } th, td { padding: .15rem .5rem; }
.facts td, .number { text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
.wide td, .wide th { border-top: 1px solid var(--faint); vertical-align: top; overflow-wrap: anywhere; }
.wide td:nth-child(-n+2) { white-space: nowrap; } .wide td:nth-child(3) { min-width: 6rem; } .wide td:nth-child(n+4) { min-width: 16rem; }
code { font: 13px/1.4 ui-monospace, monospace; }
.map th, .map td { padding: 0; width: 1.55rem; min-width: 1.2rem; height: 1.4rem; text-align: center; font-size: 12px; }
.map th[scope=row] { width: auto; padding-right: .5rem; white-space: nowrap; }
.map td { border: 1px solid var(--ground); }
.map td[data-state] { background: rgb(var(--of) / calc(.1 + .22 * var(--shade, 0))); cursor: default; }
[data-state=rolled-up] { --of: var(--good); } [data-state=late] { --of: var(--late); font-weight: 700; }
[data-state=missing], [data-state=unreadable] { --of: var(--bad); font-weight: 700; }
[data-state=failed] { --of: var(--fail); font-weight: 700; }
[data-state=open] { --of: var(--open); } [data-state=empty] { --of: var(--none); }
.map td:focus-visible { outline: 2px solid var(--ink); outline-offset: -1px; }
.key { padding: .1rem .4rem; background: rgb(var(--of) / .25); }
#detail { position: sticky; bottom: 0; min-height: 2.2rem; padding: .4rem 0; background: var(--ground); border-top: 1px solid var(--faint); }
figure { margin: 1rem 0; } figcaption { font-weight: 600; } figure svg { width: 100%; height: auto; display: block; }
`;

/** The page's script: arrow keys in the heat maps, and the details of the cell that is pointed at or focused. */
export const SCRIPT = `
const detail = document.getElementById('detail');
const show = (event) => {
  const cell = event.target.closest('td[data-state]');
  if (cell !== null) detail.textContent = cell.getAttribute('aria-label');
};
const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
for (const map of document.querySelectorAll('.map')) {
  const rows = [...map.tBodies[0].rows];
  map.addEventListener('mouseover', show);
  map.addEventListener('focusin', (event) => {
    show(event);
    for (const cell of map.querySelectorAll('td[tabindex="0"]')) cell.tabIndex = -1;
    event.target.tabIndex = 0;
  });
  map.addEventListener('keydown', (event) => {
    const step = steps[event.key];
    const cell = event.target.closest('td[data-state]');
    if (step === undefined || cell === null) return;
    event.preventDefault();
    let row = rows.indexOf(cell.parentElement);
    let column = cell.cellIndex;
    for (;;) {
      row += step[0];
      column += step[1];
      const next = rows[row] && rows[row].cells[column];
      if (next === undefined || column < 1) return;
      if (next.dataset.state !== undefined) return next.focus();
    }
  });
}
`;
