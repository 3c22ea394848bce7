import { formatSize } from '../../lambda/size.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatHeatMap } from '../output/heat-map.ts';
import { type DeadLettersInJson, deadLettersInJson, describeDeadLetters } from '../operator/dead-letters.ts';
import { BAD_STATES, type HourStatus, readHourStatus } from '../operator/hour-status.ts';
import { rangeCommand, readRange } from '../operator/read-range.ts';
import { formatColumns, formatCount, printResult } from '../output/output.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup status --stack LogRollup \\
      --from 2026-11-20T00 --to 2026-11-21T08
  $ s3-rollup status --json \\
      --source 's3://logs/raw/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      --destination 's3://logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      --from 2026-11-20T00 --to 2026-11-21T08

It reads manifests and lists raw prefixes, and of a stack the dead letters. It
ends with 1 where an hour is missing; late: raw objects came, or were changed,
after it was rolled up; or failed: a request for it is a dead letter.`;

interface Status extends DeadLettersInJson {
  status: 'complete' | 'incomplete';
  hours: HourStatus[];
}

export const status = rangeCommand('status', 'which hours are rolled up, late or missing')
  .addHelpText('after', EXAMPLES)
  .action(async (options) => {
    const { rows, deadLetters } = await readRange(options, (...hour) => readHourStatus(...hour));
    const bad = rows.some(({ state }) => BAD_STATES.includes(state));
    const { stdout } = process;
    if (stdout.isTTY && options.json !== true) {
      const colours = stdout.hasColors(process.env);
      for (const line of formatHeatMap(rows, { colours })) stdout.write(`${line}\n`);
    }
    const found: Status = {
      status: bad ? 'incomplete' : 'complete',
      ...deadLettersInJson(deadLetters),
      hours: rows,
    };
    const notes = deadLetters === undefined ? [] : describeDeadLetters(deadLetters);
    printResult(found, (status) => formatStatus(status, notes), options);
    if (bad) process.exitCode = EXIT.failed;
  });

function formatStatus({ status: state, hours }: Status, notes: string[]): string[] {
  const named = hours.some(({ stream }) => stream !== undefined);
  const rows = hours.map((hour) => [
    hour.hour,
    ...(named ? [hour.stream ?? ''] : []),
    formatCount(hour.objects),
    formatSize(hour.bytes),
    formatCount(hour.rolledUp),
    formatCount(hour.outputs),
    formatCount(hour.late),
    hour.state,
  ]);
  const header = [
    'hour',
    ...(named ? ['stream'] : []),
    'raw objects',
    'raw size',
    'rolled up',
    'outputs',
    'late',
    'state',
  ];
  const problems = hours.flatMap(({ hour, stream, problem, failed }) => {
    const at = `  ${hour}${stream === undefined ? '' : ` ${stream}`}`;
    return [
      ...(problem === undefined ? [] : [`${at}: ${problem}`]),
      ...(failed?.reasons ?? []).map((reason) => `${at}: a request failed: ${reason}`),
    ];
  });
  return [
    state,
    ...formatColumns([header, ...rows], named ? 'llrrrrrl' : 'lrrrrrl'),
    ...problems,
    ...notes.map((note) => `  ${note}`),
  ];
}
