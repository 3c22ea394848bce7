import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { REGION } from './operations/buckets.ts';
import { startSandbox, type Sandbox, type SandboxOptions } from './sandbox.ts';

const EXAMPLE = `
Example:
  $ npm run sandbox -- --port 9000 --bucket application-logs --folder ./data

It listens on 127.0.0.1 alone and prints the environment with which the AWS SDKs and command lines use it.`;

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('a port is a number from 0 (any that is free) to 65535.');
}

const command = new Command('sandbox')
  .description('A local S3 for the demo, the tests and the benchmark.')
  .addOption(
    new Option('--port <number>', 'port; 0 takes any that is free').argParser(parsePort).default(9000),
  )
  .option('--tls', 'HTTPS, with a certificate made at start')
  .option('--folder <path>', 'keep the data in this folder; in memory otherwise')
  .option('--bucket <name...>', 'create these buckets')
  .option('--access-key <id>', 'check signatures: only these credentials are let in; otherwise any are')
  .option('--secret-key <secret>', 'the secret that goes with --access-key')
  .addHelpText('after', EXAMPLE)
  .showHelpAfterError('(--help shows the options)')
  // commander exits with 1 for every error; wrong usage is 2 here.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));

const options = command.parse().opts();
if ((options.accessKey === undefined) !== (options.secretKey === undefined)) {
  command.error('error: --access-key and --secret-key go together');
}

const sandbox = await start();
const certificates = sandbox.ca === undefined ? undefined : mkdtempSync(join(tmpdir(), 's3-sandbox-'));
const exports: Record<string, string> = {
  AWS_ENDPOINT_URL: sandbox.endpoint,
  AWS_REGION: REGION,
  AWS_ACCESS_KEY_ID: options.accessKey ?? 'sandbox',
  AWS_SECRET_ACCESS_KEY: options.secretKey ?? 'sandbox',
};
if (certificates !== undefined && sandbox.ca !== undefined) {
  exports['NODE_EXTRA_CA_CERTS'] = join(certificates, 'ca.pem');
  writeFileSync(exports['NODE_EXTRA_CA_CERTS'], sandbox.ca);
}
console.log(`# sandbox at ${sandbox.endpoint}, ${options.folder ?? 'in memory'}; end it with Ctrl-C`);
for (const [name, value] of Object.entries(exports))
  console.log(`export ${name}='${value.replaceAll("'", `'\\''`)}'`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    if (certificates !== undefined) rmSync(certificates, { recursive: true });
    void sandbox.close();
  });
}

async function start(): Promise<Sandbox> {
  const { port, tls, folder, bucket, accessKey, secretKey } = options;
  const settings: SandboxOptions = {
    port,
    ...(tls && { tls }),
    ...(folder !== undefined && { folder }),
    ...(bucket && { buckets: bucket }),
    ...(accessKey !== undefined &&
      secretKey !== undefined && { credentials: { accessKeyId: accessKey, secretAccessKey: secretKey } }),
  };
  try {
    return await startSandbox(settings);
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    return process.exit(1);
  }
}
