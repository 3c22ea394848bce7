import type { Model } from '../simulate/hour.ts';
import { DEFAULT_MEMORY, MEMORIES, MISSION, hourAt } from '../simulate/scenarios.ts';
import { COLORS, INK, drawDot, drawLine, drawSvg, drawText } from './svg.ts';

const [WIDTH, HEIGHT] = [760, 340];
const PANEL = { width: 290, height: 210, top: 50 };

const SHOWN = [
  { concurrency: 16, outputsInFlight: 3 },
  { concurrency: 64, outputsInFlight: 3 },
  { concurrency: 250, outputsInFlight: 3 },
  { concurrency: 64, outputsInFlight: 6 },
];

interface Panel {
  left: number;
  title: string;
  /** Highest value of the vertical axis. */
  most: number;
  step: number;
  format: (value: number) => string;
  value: (hour: { seconds: number; dollars: number }) => number;
}

const PANELS: Panel[] = [
  {
    left: 60,
    title: 'Time of the hour, seconds',
    most: 500,
    step: 100,
    format: String,
    value: ({ seconds }) => seconds,
  },
  {
    left: 440,
    title: 'Lambda, US cents an hour',
    most: 2,
    step: 0.5,
    format: (cents) => cents.toFixed(1),
    value: ({ dollars }) => dollars * 100,
  },
];

/** Memory on the horizontal axis, and one line for each concurrency. */
export function simulationChart(model: Model): string {
  const legend = SHOWN.map(({ concurrency, outputsInFlight }, i) =>
    drawText({
      x: 60 + i * 175,
      y: HEIGHT - 12,
      text: `${concurrency} at once, ${outputsInFlight} outputs`,
      fill: COLORS[i + 1] ?? INK,
      bold: true,
    }),
  );
  return drawSvg(WIDTH, HEIGHT, 'Time and cost of an hour by memory and concurrency, simulated', [
    drawText({
      x: 16,
      y: 20,
      size: 11,
      text: 'Simulated: 30,000 objects of 100 KB to 1 MB, 16 GB, by memory in MB',
    }),
    ...PANELS.flatMap((panel) => drawPanel(panel, model)),
    ...legend,
  ]);
}

function drawPanel({ left, title, most, step, format, value }: Panel, model: Model): string[] {
  const largest = MEMORIES.at(-1) ?? 1;
  const x = (memory: number): number => left + (memory / largest) * PANEL.width;
  const y = (figure: number): number => PANEL.top + PANEL.height * (1 - figure / most);
  const bottom = y(0);
  const levels = Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
  const marks: number[] = [512, DEFAULT_MEMORY, 1769, largest];
  return [
    drawText({ x: left, y: PANEL.top - 10, text: title, bold: true }),
    ...levels.flatMap((level) => [
      drawLine(
        [
          [left, y(level)],
          [left + PANEL.width, y(level)],
        ],
        '#d0d7de',
        level === 0 ? 1.5 : 0.5,
      ),
      drawText({ x: left - 6, y: y(level) + 4, text: format(level), size: 11, anchor: 'end' }),
    ]),
    ...marks.map((memory) =>
      drawText({
        x: x(memory),
        y: bottom + 16,
        text: memory.toLocaleString('en-US'),
        size: 11,
        anchor: 'middle',
      }),
    ),
    ...SHOWN.flatMap((setting, i) => {
      const points = MEMORIES.flatMap((memory): [number, number][] => {
        const hour = hourAt(model, MISSION, { memory, ...setting });
        return hour.fits ? [[x(memory), y(Math.min(most, value(hour)))]] : [];
      });
      const color = COLORS[i + 1] ?? INK;
      return [drawLine(points, color), ...points.map((point) => drawDot(point, color))];
    }),
  ];
}
