import { styleText } from 'node:util';

const MiB = 2 ** 20;
const GAUGE_WIDTH = 24;

/** Writes the demo's story to stdout, and counts the expectations that did not hold. */
export class Terminal {
  #step = 0;
  failed = 0;

  title(text: string): void {
    console.log(`\n${styleText('bold', text)}`);
  }

  step(text: string): void {
    console.log(`\n${styleText(['bold', 'cyan'], `${++this.#step}  ${text}`)}`);
  }

  say(text: string): void {
    console.log(`   ${text}`);
  }

  command(text: string): void {
    console.log(styleText('dim', text));
  }

  /** Shows an expectation, and that it holds or not. */
  expect(what: string, holds: boolean): void {
    if (!holds) this.failed++;
    console.log(`   ${holds ? styleText('green', '✔') : styleText('red', '✘')} ${what}`);
  }

  /** Shows a peak and the limit that it has to stay below. */
  gauge(name: string, value: number, limit: number): void {
    const filled = Math.min(GAUGE_WIDTH, Math.max(1, Math.round((value / limit) * GAUGE_WIDTH)));
    const bar = '█'.repeat(filled) + '░'.repeat(GAUGE_WIDTH - filled);
    this.say(`${name.padEnd(13)}${bar}  ${count(value)} of ${count(limit)}`);
  }
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

export function noun(value: number, name: string): string {
  return `${count(value)} ${name}${value === 1 ? '' : 's'}`;
}

export function mebibytes(bytes: number): string {
  return bytes < 1024 * MiB ? `${(bytes / MiB).toFixed(1)} MiB` : `${(bytes / MiB / 1024).toFixed(2)} GiB`;
}
