import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { extract as extractOnce } from '../../lambda/rollup/extract.ts';
import { connectedCommand, parseDestination } from '../options.ts';

const EXAMPLES = `
Examples:
  $ npm run --silent s3-rollup -- extract \\
      s3://application-logs/aggregated/checkout/20261121/08/ \\
      i-0a1b/app-000123.log
  $ npm run --silent s3-rollup -- extract --hour 2026-11-21T08 \\
      --output app.log.gz \\
      's3://application-logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      raw/checkout/20261121/08/i-0a1b/app-000123.log.gz

The object need not be in raw any more.`;

export const extract = connectedCommand('extract', 'write one original object, byte for byte')
  .argument('<destination>', 'prefix of a rollup: s3://bucket/prefix/')
  .argument('<source-key>', 'key of the object, whole or behind the source prefix')
  .option('--output <file>', 'write to this file instead of stdout; it appears once it is whole')
  .addHelpText('after', EXAMPLES)
  .action(async (typed, sourceKey, options) => {
    const { destination, connection } = await parseDestination(typed, options, {});
    try {
      const { bytes } = await extractOnce(connection.store, destination, sourceKey);
      if (options.output === undefined) await pipeline(bytes, process.stdout, { end: false });
      else await writeWhole(options.output, bytes);
    } finally {
      connection.close();
    }
  });

async function writeWhole(file: string, bytes: AsyncIterable<Buffer>): Promise<void> {
  const partial = `${file}.partial-${process.pid}`;
  try {
    await pipeline(bytes, createWriteStream(partial, { flags: 'wx' }));
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
