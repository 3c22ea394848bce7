import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { FAN_OUT_LOADS, fanOutHour } from '../simulate/fan-out.ts';
import { FIGURES } from '../simulate/figures.ts';
import { type Model, type SimulatedHour, createModel, memoryOf } from '../simulate/hour.ts';
import {
  ASSUMPTIONS,
  CONCURRENCIES,
  DEFAULT_MEMORY,
  LOADS,
  type Load,
  MEMORIES,
  MISSION,
  OUTPUTS_IN_FLIGHT,
  type Pick,
  best,
  hourAt,
  mostInOneInvocation,
} from '../simulate/scenarios.ts';
import { formatDuration, formatMegabytes, formatNumber, formatTable } from './table.ts';

const { concurrency } = DEFAULT_SETTINGS;
const DEFAULT = { memory: DEFAULT_MEMORY, concurrency };

export function formatSimulation(model: Model, seed: number): string {
  return [
    section('The hour of the mission, by memory and concurrency: time, and dollars for Lambda', grid(model)),
    section('By outputs in flight, at the default memory and concurrency', byOutputs(model)),
    section('Larger hours', loads(model)),
    section("Past one function, by a Distributed Map with the stack's defaults", fanOut(model)),
    section('Should an assumption not hold: the hour of the mission at concurrency 64', assumptions(seed)),
  ].join('\n\n');
}

function section(title: string, table: string): string {
  return `${title}:\n\n${table}`;
}

function grid(model: Model): string {
  const rows = MEMORIES.map((memory) => [
    `${memory.toLocaleString('en-US')} MB`,
    ...CONCURRENCIES.map((most) => formatOutcome(hourAt(model, MISSION, { memory, concurrency: most }))),
    mostInOneInvocation(model, MISSION, { memory, concurrency }).toLocaleString('en-US'),
  ]);
  return formatTable(['memory', ...CONCURRENCIES.map(String), 'objects in 15 min, at 64'], rows);
}

function byOutputs(model: Model): string {
  const rows = OUTPUTS_IN_FLIGHT.map((outputsInFlight) => [
    String(outputsInFlight),
    formatMegabytes(neededMemory(outputsInFlight)),
    ...[768, DEFAULT_MEMORY, 1769].map((memory) =>
      formatOutcome(hourAt(model, MISSION, { memory, concurrency, outputsInFlight })),
    ),
  ]);
  return formatTable(['outputs in flight', 'memory needed, MB', '768 MB', '1,024 MB', '1,769 MB'], rows);
}

function neededMemory(outputsInFlight: number): number {
  const settings = { ...DEFAULT_SETTINGS, outputsInFlight };
  return memoryOf({ ...MISSION, memory: 0, settings }, FIGURES);
}

function loads(model: Model): string {
  const rows = LOADS.map((load) => {
    const byDefault = hourAt(model, load, DEFAULT);
    const picks = best(model, load);
    return [
      describe(load),
      formatNumber((load.objects * (load.minSize + load.maxSize)) / 2e9),
      formatOutcome(byDefault),
      byDefault.fits ? String(byDefault.invocations) : '',
      formatPick(picks?.cheapest),
      formatPick(picks?.fastest),
    ];
  });
  return formatTable(['hour', 'GB', 'by default', 'invocations', 'cheapest', 'fastest'], rows);
}

function fanOut(model: Model): string {
  const rows = FAN_OUT_LOADS.map((load) => {
    const hour = fanOutHour(model, load, FIGURES);
    const { planSeconds, writeSeconds, commitSeconds } = hour;
    return [
      describe(load),
      ...[hour.outputs, hour.batches, hour.workers].map((count) => count.toLocaleString('en-US')),
      ...[planSeconds, writeSeconds, commitSeconds].map(formatDuration),
      Math.round(hour.getsPerSecond).toLocaleString('en-US'),
      `$${hour.dollars.toFixed(hour.dollars < 0.1 ? 4 : 2)}`,
      hour.fits ? 'yes' : 'no',
    ];
  });
  const head = [
    'hour',
    'outputs',
    'batches',
    'workers',
    'plan',
    'write',
    'commit',
    'GET/s',
    'Lambda and map',
    'fits',
  ];
  return formatTable(head, rows);
}

function assumptions(seed: number): string {
  const memories = [512, 768, DEFAULT_MEMORY, 1769];
  const rows = ASSUMPTIONS.map(({ name, figures }) => {
    const model = createModel(figures, seed);
    return [
      name,
      ...memories.map((memory) => formatOutcome(hourAt(model, MISSION, { memory, concurrency }))),
    ];
  });
  return formatTable(['', ...memories.map((memory) => `${memory.toLocaleString('en-US')} MB`)], rows);
}

function describe({ objects, minSize, maxSize }: Load): string {
  return `${objects.toLocaleString('en-US')} of ${minSize / 1000}-${(maxSize / 1000).toLocaleString('en-US')} KB`;
}

function formatPick(pick: Pick | undefined): string {
  if (pick === undefined) return 'none';
  const { memory, concurrency: most, hour } = pick;
  return `${formatOutcome(hour)} (${memory.toLocaleString('en-US')} MB, ${most})`;
}

function formatOutcome(hour: SimulatedHour): string {
  if (hour.fits)
    return `${formatDuration(hour.seconds)}, $${hour.dollars.toFixed(hour.dollars < 0.1 ? 4 : 2)}`;
  return hour.why === 'memory' ? `needs ${formatMegabytes(hour.needed)} MB` : 'no progress';
}
