import { isDeepStrictEqual } from 'node:util';
import { lateLogs, rawLogs } from './raw-logs.ts';
import type { Manifest, RunResult } from './results.ts';
import type { Seen } from './sandbox-process.ts';
import { RAW, SOURCE, Stage, type StageInput } from './stage.ts';
import { count, mebibytes, noun } from './terminal.ts';

const LATE = 10;
const TARGET = 32 * 2 ** 20;
/** Open file descriptors that Lambda allows a process. */
const DESCRIPTOR_LIMIT = 1024;
/** Most connections of the program, whatever its settings are. */
const CONNECTION_LIMIT = 250;

/** Tells the demo, from the first raw object to the last figure. The terminal counts expectations that failed. */
export async function tellStory(input: StageInput, objects: number): Promise<void> {
  const stage = new Stage(input);
  try {
    const crc32 = await writeHour(stage, objects);
    const first = await rollUp(stage, objects, crc32);
    stage.terminal.step('Compare every byte of both sides');
    await stage.verifyDeep(objects);
    await runAgain(stage);
    await addLate(stage, objects, first.manifest);
    stage.terminal.step('And again, every byte');
    await stage.verifyDeep(objects + LATE);
    sumUp(stage, first.result, first.seen);
    stage.terminal.step('The hour as a page');
    await stage.report(objects + LATE);
  } finally {
    stage.bucket.disconnect();
  }
}

/** Returns the CRC-32 of all bodies, joined in key order. */
async function writeHour({ terminal, bucket }: Stage, objects: number): Promise<number> {
  terminal.step('An hour of raw logs');
  const began = performance.now();
  const { bytes, crc32 } = await bucket.putAll(rawLogs(RAW, objects));
  bucket.disconnect();
  const seconds = (performance.now() - began) / 1000;
  terminal.say(`${noun(objects, 'object')} of JSON lines, ${mebibytes(bytes)}, in ${seconds.toFixed(1)} s`);
  terminal.say(`under ${SOURCE}`);
  return crc32;
}

async function rollUp(
  stage: Stage,
  objects: number,
  crc32: number,
): Promise<{ result: RunResult; seen: Seen; manifest: Manifest }> {
  const { terminal, bucket } = stage;
  terminal.step('Roll it up');
  const { result, seen } = await stage.run();
  const manifest = await stage.manifest();
  const { outputs } = manifest;
  terminal.expect(
    `${noun(result.objects, 'object')} became ${noun(outputs.length, 'output')}`,
    result.status === 'committed' && result.objects === objects && result.written === outputs.length,
  );
  terminal.expect('the server saw every object read exactly once', seen.rawReads === objects);
  terminal.expect(
    'every output but the last holds 32 MiB or more',
    outputs.slice(0, -1).every(({ size }) => size >= TARGET),
  );
  terminal.expect(
    'joined in order, both sides have the same CRC-32',
    (await bucket.crc32(outputs.map(({ key }) => key))) === crc32,
  );
  return { result, seen, manifest };
}

async function runAgain(stage: Stage): Promise<void> {
  stage.terminal.step('Run it again');
  const { result, seen } = await stage.run();
  stage.terminal.expect(
    'no object was read, nothing was written',
    result.status === 'unchanged' && seen.rawReads === 0 && seen.written.length === 0,
  );
}

async function addLate(stage: Stage, objects: number, before: Manifest): Promise<void> {
  stage.terminal.step(`${LATE} objects come late; run it again`);
  await stage.bucket.putAll(lateLogs(RAW, LATE));
  const { result, seen } = await stage.run();
  const { outputs } = await stage.manifest();
  stage.terminal.expect(
    `only those ${LATE} were read`,
    result.status === 'committed' && result.objects === objects + LATE && seen.rawReads === LATE,
  );
  stage.terminal.expect(
    `${noun(outputs.length - before.outputs.length, 'output')} more; the ${count(before.outputs.length)} before untouched`,
    isDeepStrictEqual(outputs.slice(0, before.outputs.length), before.outputs) &&
      !before.outputs.some(({ key }) => seen.written.includes(key)),
  );
}

function sumUp({ terminal }: Stage, result: RunResult, seen: Seen): void {
  const { objects, bytes, outputs, requests, peak, durationSeconds } = result;
  terminal.step('What it took');
  terminal.say(
    `objects      ${count(objects)} -> ${count(outputs)}, ${Math.round(objects / outputs)} to 1, ${mebibytes(bytes)}`,
  );
  terminal.say(`time         ${durationSeconds.toFixed(1)} s, ${mebibytes(bytes / durationSeconds)}/s`);
  terminal.say(
    `requests     ${count(requests.list)} list, ${count(requests.get)} get, ${count(requests.put)} put, ${count(requests.retries)} retries`,
  );
  terminal.say(`memory       ${mebibytes(peak.rssBytes)}, set by the settings and not by the hour`);
  terminal.gauge('connections', peak.connections, CONNECTION_LIMIT);
  if (peak.fileDescriptors !== undefined) {
    terminal.gauge('descriptors', peak.fileDescriptors, DESCRIPTOR_LIMIT);
    terminal.expect(
      'descriptors stayed within connections + 32',
      peak.fileDescriptors <= peak.connections + 32,
    );
  }
  terminal.expect(
    `the server counted ${noun(seen.peakConnections, 'connection')} too`,
    seen.peakConnections <= peak.connections && peak.connections <= CONNECTION_LIMIT,
  );
}
