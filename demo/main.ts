import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { startRemoteSandbox } from './remote-sandbox.ts';
import { BUCKET, DESTINATION, RAW } from './stage.ts';
import { tellStory } from './story.ts';
import { Terminal } from './terminal.ts';

const EXAMPLE = `
Examples:
  $ npm run demo
  $ npm run demo -- --objects 200 --keep`;

function parseCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('it is a whole number from 1 to 999999.');
}

const { objects, keep } = new Command('demo')
  .description('An hour of raw logs, rolled up, verified and rolled up again, against a local S3.')
  .addOption(
    new Option('--objects <number>', 'raw objects, of 100 KB to 1 MB each')
      .argParser(parseCount)
      .default(2000),
  )
  .option('--keep', 'keep the bucket, in a folder that is named at the end')
  .addHelpText('after', EXAMPLE)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts();

const terminal = new Terminal();
const stop = new AbortController();
const stopped = once(stop.signal, 'abort').then(() => {
  throw stop.signal.reason;
});
stopped.catch(() => undefined);
for (const [name, code] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
  process.once(name, () => {
    process.exitCode = code;
    stop.abort(new Error(`Stopped by ${name}.`));
  });
}

const folder = keep ? mkdtempSync(join(tmpdir(), 's3-log-rollup-demo-')) : undefined;
try {
  await demonstrate();
  process.exitCode ??= terminal.failed === 0 ? 0 : 1;
  if (folder !== undefined) showKept(folder);
} catch (error) {
  process.exitCode ??= 1;
  console.error(`\nerror: ${error instanceof Error ? error.message : String(error)}`);
  if (folder !== undefined) rmSync(folder, { recursive: true });
}

async function demonstrate(): Promise<void> {
  terminal.title('s3-log-rollup: an hour of small log objects, rolled up');
  const sandbox = await startRemoteSandbox({ bucket: BUCKET, rawPrefix: RAW, folder });
  const env = {
    AWS_ENDPOINT_URL: sandbox.endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'demo',
    AWS_SECRET_ACCESS_KEY: 'demo',
  };
  terminal.say(`A local S3 listens at ${sandbox.endpoint}, ${folder ?? 'in memory'}.`);
  const story = tellStory({ sandbox, terminal, env, signal: stop.signal }, objects);
  try {
    await Promise.race([story, stopped]);
  } finally {
    await sandbox.close();
    // Once the sandbox is closed the story ends, and its failure has no meaning any more.
    await story.catch(() => undefined);
  }
  const { failed } = terminal;
  terminal.title(failed === 0 ? 'Everything came as expected.' : `${failed} expectations did not hold.`);
}

function showKept(kept: string): void {
  terminal.say(`The bucket is kept in ${kept}. Look at it with`);
  terminal.command(`   $ npm run sandbox -- --folder ${kept} --port 9000`);
  terminal.say('and, in another terminal, with the exports that it prints,');
  terminal.command(`   $ npm run --silent s3-rollup -- verify ${DESTINATION} --deep`);
}
