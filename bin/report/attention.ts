import { formatCount, formatNoun } from '../output/output.ts';
import type { HourReport } from './hour-report.ts';

/** Something that a person should do. */
export interface Attention {
  kind: 'late' | 'missing' | 'unreadable' | 'limit' | 'dead-letters';
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
  { stack, deadLetters = 0 }: { stack: string | undefined; deadLetters: number | undefined },
): Attention[] {
  const letters: Attention[] =
    deadLetters === 0
      ? []
      : [
          {
            kind: 'dead-letters',
            what: `${formatNoun(deadLetters, 'request')} failed and ${deadLetters === 1 ? 'lies' : 'lie'} in the dead-letter queue.`,
            command: commandOf('redrive', '--stack', stack ?? '', '--dry-run'),
          },
        ];
  return [...letters, ...hours.flatMap((hour) => [...stateOf(hour, stack), ...limitsOf(hour)])];
}

function stateOf(row: HourReport, stack: string | undefined): Attention[] {
  const { state, hour, stream, objects, late, source, destination, problem = '' } = row;
  const at = { hour, ...(stream === undefined ? {} : { stream }) };
  const again =
    stack === undefined
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
