import { extract as extractOnce } from '../../lambda/rollup/index.ts';
import { pipeline } from 'node:stream/promises';
import { RollupError } from '../../lambda/errors.ts';
import { destinationCommand, parseDestination } from '../options/options.ts';
import { resolveTyped, writeWhole } from '../output/output-file.ts';
import { formatCount, formatJson, formatLines } from '../output/output.ts';
import { typedSettings } from '../options/setting-options.ts';
import { readSettingsFile } from '../options/settings-file.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup extract \\
      s3://application-logs/aggregated/checkout/20261121/08/ \\
      i-0a1b/app-000123.log
  $ s3-rollup extract --hour 2026-11-21T08 \\
      --output app.log.gz \\
      's3://application-logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      raw/checkout/20261121/08/i-0a1b/app-000123.log.gz

The object need not be in raw any more.`;

export const extract = destinationCommand('extract', 'write one original object, byte for byte')
  .argument('[destination]', 'prefix of a rollup: s3://bucket/prefix/')
  .argument('[source-key]', 'key of the object, whole or behind the source prefix')
  .option('--output <file>', 'write to this file instead of stdout; it appears once it is whole')
  .addHelpText('after', EXAMPLES)
  .action(async (first, second, options) => {
    if (options.json === true && options.output === undefined) {
      throw new RollupError(
        'InvalidArgument',
        '--json needs --output: without it, stdout is for the object.',
      );
    }
    const file = readSettingsFile(options.config);
    // With a destination in the settings file, the key alone is enough.
    const onlyKey = second === undefined && file.destination !== undefined;
    const sourceKey = onlyKey ? first : second;
    if (sourceKey === undefined) throw new RollupError('InvalidArgument', 'source-key is missing.');
    const typed = onlyKey ? undefined : first;
    const { destination, connection } = await parseDestination(typed, options, {
      file,
      typed: typedSettings(options),
    });
    try {
      const { source, bytes } = await extractOnce(connection.store, destination, sourceKey);
      if (options.output === undefined) await writeOut(bytes);
      else {
        const output = resolveTyped(options.output);
        const written = await writeWhole(output, bytes);
        if (options.progress)
          process.stderr.write(formatLines([`wrote ${output}, ${formatCount(written)} bytes`]));
        const result = { key: source.key, bytes: written, output };
        if (options.json === true) process.stdout.write(formatJson(result));
      }
    } finally {
      connection.close();
    }
  });

/** Writes to stdout. A reader that closes the pipe early (`| head`) is no failure. */
async function writeOut(bytes: AsyncIterable<Buffer>): Promise<void> {
  try {
    await pipeline(bytes, process.stdout, { end: false });
  } catch (error) {
    if (!isClosedPipe(error)) throw error;
  }
}

function isClosedPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}
