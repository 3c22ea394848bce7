import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { availableParallelism, totalmem } from 'node:os';
import { DEFAULT_SETTINGS, parseSettings } from '../lambda/settings/settings.ts';
import { type Settings } from '../lambda/settings/table.ts';
import { parseSize } from '../lambda/size.ts';
import type { DataSetOptions } from './server/data-set.ts';

const { concurrency, outputsInFlight } = DEFAULT_SETTINGS;

/** Sizes of objects by default: 100 KB to 1 MB. */
export const SIZES = { minSize: 100_000, maxSize: 1_000_000 } as const;

export function parseCount(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InvalidArgumentError('must be a whole number, 1 or more.');
}

function parseBytes(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new InvalidArgumentError('must be a size such as 100KB.');
}

/** A command that measures, with options for the objects and the settings of s3-log-rollup. */
export function measuringCommand(name: string, description: string, objects: number) {
  return new Command(name)
    .description(description)
    .option('--objects <number>', 'objects in the raw prefix', parseCount, objects)
    .option('--min-size <size>', 'size of the smallest', parseBytes, SIZES.minSize)
    .option('--max-size <size>', 'size of the largest', parseBytes, SIZES.maxSize)
    .addOption(
      new Option('--checksum <name>', 'what the objects were stored with')
        .choices(['crc32', 'crc64'] as const)
        .default('crc32' as const),
    )
    .option('--concurrency <number>', `downloads in flight (default: ${concurrency})`)
    .option('--outputs-in-flight <number>', `outputs in memory at once (default: ${outputsInFlight})`)
    .option('--json', 'the figures as one JSON object');
}

export interface MeasuringOptions extends DataSetOptions {
  concurrency?: string | undefined;
  outputsInFlight?: string | undefined;
}

export function settingsOf(options: Pick<MeasuringOptions, 'concurrency' | 'outputsInFlight'>): Settings {
  const { concurrency, outputsInFlight } = options;
  return parseSettings({ concurrency, outputsInFlight }, (name) => `--${name}`);
}

export function dataSetOf({ objects, minSize, maxSize, checksum }: MeasuringOptions): DataSetOptions {
  return { objects, minSize, maxSize, checksum };
}

/** A general description of this machine, for the report. */
export function machine(): { date: string; node: string; cores: number; memoryGb: number; platform: string } {
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
  };
}
