import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bucket } from './bucket.ts';
import { formatCommand, runCommand } from './command-line.ts';
import type { RemoteSandbox } from './remote-sandbox.ts';
import { type Manifest, type RunResult, hourReport, manifest, runResult, verifyReport } from './results.ts';
import type { Seen } from './sandbox-process.ts';
import { type Terminal, mebibytes, noun } from './terminal.ts';

export const BUCKET = 'application-logs';
export const RAW = 'raw/checkout/20261121/08/';
/** The page that the demo ends with; the next demo replaces it. */
const PAGE = join(tmpdir(), 's3-log-rollup-demo.html');
const HOUR = '2026-11-21T08';
const AGGREGATED = 'aggregated/checkout/20261121/08/';
export const SOURCE = `s3://${BUCKET}/${RAW}`;
export const DESTINATION = `s3://${BUCKET}/${AGGREGATED}`;

export interface StageInput {
  sandbox: RemoteSandbox;
  terminal: Terminal;
  /** Environment variables by which a command finds the sandbox. */
  env: Record<string, string>;
  signal: AbortSignal;
}

/** Runs commands for the chapters of the demo, and reads their results. */
export class Stage {
  readonly terminal: Terminal;
  readonly bucket: Bucket;
  readonly #input: StageInput;

  constructor(input: StageInput) {
    this.#input = input;
    this.terminal = input.terminal;
    this.bucket = new Bucket(input.sandbox.endpoint, BUCKET);
  }

  /** Runs `run`, and returns its result with the requests that the server got. */
  async run(): Promise<{ result: RunResult; seen: Seen }> {
    this.bucket.disconnect();
    await this.#input.sandbox.seen();
    const result = runResult.parse(await this.#type(['run', SOURCE, DESTINATION, '--json']));
    this.terminal.say(`${result.status} in ${result.durationSeconds.toFixed(1)} s`);
    return { result, seen: await this.#input.sandbox.seen() };
  }

  async verifyDeep(objects: number): Promise<void> {
    const report = verifyReport.parse(await this.#type(['verify', DESTINATION, '--deep', '--json']));
    for (const { message } of report.problems.slice(0, 3)) this.terminal.say(message);
    this.terminal.expect(
      `${noun(report.objects, 'object')} and ${noun(report.outputs, 'output')}, ${mebibytes(report.outputBytes)}: every byte is the same`,
      report.status === 'ok' && report.objects === objects,
    );
  }

  /** Writes the hour as a page, and expects to find the hour in it as it is. */
  async report(objects: number): Promise<void> {
    const where = ['--source', SOURCE, '--destination', DESTINATION];
    const when = ['--from', HOUR, '--to', HOUR];
    const made = await this.#type(['report', ...when, ...where, '--json', '--output', PAGE]);
    const { hours, totals } = hourReport.parse(made);
    this.terminal.expect(
      `the hour is rolled up, and all ${noun(objects, 'object')} of it`,
      hours.length === 1 && hours[0]?.state === 'rolled-up' && totals.objects === objects,
    );
    this.terminal.say(`Open it in a browser: ${PAGE}`);
  }

  async manifest(): Promise<Manifest> {
    const body = await this.bucket.get(`${AGGREGATED}_manifest.json`);
    return manifest.parse(JSON.parse(body.toString()));
  }

  async #type(args: string[]): Promise<unknown> {
    const { env, signal } = this.#input;
    signal.throwIfAborted();
    this.terminal.command(formatCommand(args, '   '));
    return runCommand(args, { env, signal });
  }
}
