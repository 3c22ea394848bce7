import { formatCount, formatNoun } from '../output/output.ts';
import { type DeadLetters, describeDeadLetters } from '../operator/dead-letters.ts';
import type { HourReport } from './hour-report.ts';

/** Something that a person should do. */
export interface Attention {
  kind: 'failed' | 'late' | 'missing' | 'unreadable' | 'limit' | 'dead-letters';
  /** Absent for what is of no hour. */
  hour?: string;
  stream?: string;
  /** One sentence. */
  what: string;
  /** The command that mends it, for a shell. */
  command: string;
}

/** The share of a limit from which a peak is told. */
const NEAR = 0.9;
/** File descriptors that Lambda allows a process: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
export const DESCRIPTOR_LIMIT = 1_024;

/** What needs attention: dead letters, then hours in their order. */
export function attentionOf(
  hours: readonly HourReport[],
  { stack = '', deadLetters }: { stack: string | undefined; deadLetters: DeadLetters | undefined },
): Attention[] {
  const letters = deadLetters === undefined ? [] : describeDeadLetters(deadLetters);
  return [
    ...letters.map((what): Attention => ({
      kind: 'dead-letters',
      what,
      command: commandOf('redrive', '--stack', stack, '--dry-run'),
    })),
    ...hours.flatMap((hour) => [...failedOf(hour, stack), ...stateOf(hour, stack), ...limitsOf(hour)]),
  ];
}

/** A request that failed is carried out again by a redrive, whatever the hour lacks. */
function failedOf({ hour, stream, failed }: HourReport, stack: string): Attention[] {
  if (failed === undefined) return [];
  const { requests, reasons, state } = failed;
  const why = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
  const what = `${formatNoun(requests, 'request')} for this hour failed for good${why}. In S3 the hour is ${state}.`;
  const command = commandOf('redrive', '--stack', stack);
  return [{ kind: 'failed', hour, ...(stream === undefined ? {} : { stream }), what, command }];
}

function stateOf(row: HourReport, stack: string): Attention[] {
  const { hour, stream, objects, late, source, destination, problem = '' } = row;
  const at = { hour, ...(stream === undefined ? {} : { stream }) };
  // A redrive adds what is late or missing; what cannot be read it meets again.
  const state = row.failed?.state === 'unreadable' ? 'unreadable' : row.state;
  const again =
    stack === ''
      ? commandOf('run', source, destination)
      : commandOf('rerun', '--stack', stack, '--source', source);
  if (state === 'late')
    return [
      {
        kind: state,
        ...at,
        what: `${formatNoun(late, 'object')} came after the hour was rolled up.`,
        command: again,
      },
    ];
  if (state === 'missing')
    return [
      { kind: state, ...at, what: `${formatNoun(objects, 'raw object')}, and no rollup.`, command: again },
    ];
  if (state === 'unreadable')
    return [{ kind: state, ...at, what: problem, command: commandOf('verify', source, destination) }];
  return [];
}

function limitsOf({ hour, stream, run, source, destination }: HourReport): Attention[] {
  if (run === undefined) return [];
  const { peak, memoryLimitBytes = Infinity } = run;
  const descriptors = peak.fileDescriptors ?? 0;
  const near = [
    ...(descriptors < NEAR * DESCRIPTOR_LIMIT || run.by === 'workers'
      ? []
      : [`${formatCount(descriptors)} of ${formatCount(DESCRIPTOR_LIMIT)} file descriptors were open`]),
    ...(peak.rssBytes < NEAR * memoryLimitBytes
      ? []
      : [`${Math.round((100 * peak.rssBytes) / memoryLimitBytes)}% of the function's memory was in use`]),
  ];
  return near.map((what) => ({
    kind: 'limit',
    hour,
    ...(stream === undefined ? {} : { stream }),
    what: `${what}: lower concurrency or outputsInFlight, or raise memorySize.`,
    command: commandOf('plan', source, destination),
  }));
}

/** A command line for a POSIX shell. */
function commandOf(...words: string[]): string {
  return ['s3-rollup', ...words.map(quoted)].join(' ');
}

/** A word as a POSIX shell takes it: in single quotes unless it needs none. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
