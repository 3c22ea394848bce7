import {
  type Location,
  type RestoreProgress,
  type Restored,
  type WantedKeys,
  formatLocation,
  restore,
} from '../../lambda/rollup/index.ts';
import type { Connection } from '../../lambda/s3/connection.ts';
import type { Settings } from '../../lambda/settings/table.ts';
import { MiB, formatSize } from '../../lambda/size.ts';
import { interruptible } from '../interrupt.ts';
import { EXIT } from './exit-code.ts';
import { formatCount, formatNoun, printResult } from './output.ts';
import { type Progress, formatTimeLeft, showProgress } from './progress.ts';

/** The result of `extract --to`. */
export interface ExtractedToS3 extends Restored {
  /** URI of the prefix that objects were written under. */
  to: string;
}

/** Writes wanted sources of a rollup to S3, prints the result, and sets the exit code where not all of them are there. */
export async function writeToS3(
  { store, raw: target }: Pick<Connection, 'store' | 'raw'>,
  request: { destination: Location; wanted: WantedKeys; to: Location; overwrite: boolean },
  settings: Settings,
  options: { progress: boolean; json?: true | undefined },
): Promise<void> {
  const began = performance.now();
  let done: RestoreProgress | undefined;
  const display = showProgress(() => describe(done, performance.now() - began), {
    enabled: options.progress,
  });
  try {
    const progress = (now: RestoreProgress): void => {
      done = now;
      display.update();
    };
    const restored = await interruptible(
      (signal) => restore(request, { store, target, settings, progress, signal }),
      'What is restored stays: run again to go on from there.',
    );
    display.finish();
    const result: ExtractedToS3 = { to: formatLocation(request.to), ...restored };
    printResult(result, formatExtracted, options);
    const { refused, failed, missing } = restored;
    if (refused.length + failed.length + missing.length > 0) process.exitCode = EXIT.failed;
  } finally {
    display.stop();
  }
}

function describe(done: RestoreProgress | undefined, ms: number): Progress {
  if (done === undefined) return { phase: 'listing', brief: '', full: 'the rollup' };
  const { objects, bytes, totalObjects, totalBytes } = done;
  const left = formatTimeLeft({ done: bytes, total: totalBytes, seconds: ms / 1000 });
  const rate = `${Math.round((bytes / MiB / ms) * 1000)} MiB/s${left === undefined ? '' : `, ${left}`}`;
  return {
    phase: 'restoring',
    done: totalBytes === 0 ? 1 : bytes / totalBytes,
    brief: `${formatSize(bytes)}/${formatSize(totalBytes)} ${rate}`,
    full: `${formatCount(objects)} of ${formatNoun(totalObjects, 'object')}, ${formatSize(bytes)} of ${formatSize(totalBytes)}, ${rate}`,
  };
}

function formatExtracted({ to, objects, bytes, present, refused, failed, missing }: ExtractedToS3): string[] {
  const there = present === 0 ? '' : `; ${formatNoun(present, 'object')} there already`;
  return [
    `wrote ${formatNoun(objects, 'object')}, ${formatNoun(bytes, 'byte')}, under ${to}${there}`,
    ...refused.map(({ key, why }) => `not written: ${key}: ${why}`),
    ...failed.map(({ key, code, message }) => `failed: ${key}: ${message} (${code})`),
    ...missing.map((key) => `not in the rollup: ${key}`),
  ];
}
