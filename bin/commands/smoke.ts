import { parseHour } from '../../lambda/rollup/index.ts';
import { RollupError } from '../../lambda/errors.ts';
import { interruptible } from '../interrupt.ts';
import { operatorCommand, parseWhole, requireOneOf, withServices } from '../operator/options.ts';
import { SETTINGS_FILE, readSettingsFile, settingsOver } from '../options/settings-file.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatColumns, printResult } from '../output/output.ts';
import { showProgress } from '../output/progress.ts';
import { named, parseAll } from '../refusals.ts';
import { SMOKE_HOUR, type SmokeResult, smoke as smokeOnce } from '../smoke/smoke.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup smoke --stack LogRollup
  $ s3-rollup smoke --stack LogRollup --stream checkout \\
      --name 'app-{n}.log' --timeout 600 --json

It writes three objects to an hour that no schedule comes to, has them rolled
up by way of the queue, compares every byte, sends the request again, has the
state machine do it where there is one, looks whether anybody hears the
alarms, and removes all of it. It ends with 1 where a check fails. Run one at
a time. docs/permissions.md has the policy that it takes.`;

const DEFAULT_NAME = 's3-rollup-smoke-{n}.log';
const DEFAULT_TIMEOUT = 300;

export const smoke = operatorCommand('smoke', 'prove a deployment from end to end')
  .option('--stream <name>', 'the stream whose settings and prefix are used (default: the first)')
  .option('--hour <hour>', `an hour that nobody else writes to (default: ${SMOKE_HOUR})`)
  .option('--name <name>', `names of the objects, which filters must take (default: ${DEFAULT_NAME})`)
  .option('--gzip', 'write the objects compressed, for streams whose sources have to be')
  .option('--no-alarms', 'do not look whether anybody hears the alarms')
  .option('--timeout <seconds>', `for all checks together (default: ${DEFAULT_TIMEOUT})`)
  .option('--config <file>', `how to reach both sides (default: ${SETTINGS_FILE}, if there is one)`)
  .addHelpText('after', EXAMPLES)
  .action(async (options) => {
    const { stack = '', stream, name = DEFAULT_NAME, hour = SMOKE_HOUR } = options;
    const file = readSettingsFile(options.config);
    const { timeoutSeconds } = parseAll({
      stack: () => {
        requireOneOf({ '--stack': options.stack });
      },
      timeoutSeconds: () => parseWhole('--timeout', options.timeout ?? String(DEFAULT_TIMEOUT), 1),
      hour: () => named('--hour', () => parseHour(hour)),
      name: () => {
        if (/^[^/]*\{n\}[^/]*$/.test(name)) return;
        throw new RollupError('InvalidArgument', `--name must have {n} in it and no slash, not "${name}".`);
      },
    });
    const settings = settingsOver(file, {});
    const result = await withServices(options, async (services) => {
      // Loaded here alone: no other command waits for these clients.
      const { openSmokeServices } = await import('../smoke/aws.ts');
      const { connect } = await import('../../lambda/s3/connection.ts');
      const { region, endpointUrl } = options;
      const smokeServices = openSmokeServices({ region, endpointUrl });
      const connection = connect({ settings, region, endpointUrl });
      const began = performance.now();
      let phase = 'stack';
      const waited = (): string => `${Math.round((performance.now() - began) / 1000)} s`;
      const display = showProgress(() => ({ phase, brief: waited(), full: waited() }), {
        enabled: options.progress,
      });
      let left: string[] = [];
      try {
        const { gzip = false, alarms } = options;
        const done = await interruptible(
          (signal) =>
            smokeOnce(
              { stack, stream, hour, name, gzip, alarms, timeoutSeconds },
              {
                services,
                smokeServices,
                endpoints: connection,
                signal,
                onBegin: (check) => {
                  phase = check;
                  display.update();
                },
                onLeft: (sentences) => {
                  left = sentences;
                },
              },
            ),
          () => (left.length === 0 ? 'What it had made is removed.' : `Left behind: ${left.join(' ')}`),
        );
        display.finish();
        return done;
      } finally {
        display.stop();
        connection.close();
        smokeServices.close();
      }
    });
    printResult(result, formatSmoke, options);
    if (result.status === 'failed') process.exitCode = EXIT.failed;
  });

function formatSmoke({ status, checks, left }: SmokeResult): string[] {
  const rows = checks.map(({ check, status, seconds, detail }) => [
    check,
    status,
    status === 'left-out' ? '' : `${seconds.toFixed(1)} s`,
    detail,
  ]);
  const advice = checks.flatMap(({ check, code = '', advice }) =>
    advice === undefined ? [] : [`${check} (${code}): ${advice}`],
  );
  return [
    status,
    ...formatColumns([['check', '', 'time', ''], ...rows], 'llrl'),
    ...(advice.length === 0 ? [] : ['', 'what to do', ...advice.map((line) => `  ${line}`)]),
    ...(left.length === 0 ? [] : ['', 'left behind', ...left.map((line) => `  ${line}`)]),
  ];
}
