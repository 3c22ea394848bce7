import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';

const MAIN = new URL('../../sandbox/main.ts', import.meta.url).pathname;

function run(...args: string[]) {
  return spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

it.each(['SIGINT', 'SIGTERM'] as const)(
  'npm run sandbox serves until %s, and prints how to use it',
  async (signal) => {
    const child = run('--port', '0', '--tls', '--bucket', 'one', '--bucket', 'two');
    const environment = new Map<string, string>();
    for await (const line of createInterface(child.stdout)) {
      const [, name, value] = /^export (\w+)='(.*)'$/.exec(line) ?? [];
      if (name !== undefined && value !== undefined) environment.set(name, value);
      if (name === 'NODE_EXTRA_CA_CERTS') break;
    }
    expect([...environment.keys()]).toEqual([
      'AWS_ENDPOINT_URL',
      'AWS_REGION',
      'AWS_ACCESS_KEY_ID',
      'AWS_SECRET_ACCESS_KEY',
      'NODE_EXTRA_CA_CERTS',
    ]);
    const script = `const r = await fetch(process.env.AWS_ENDPOINT_URL); console.log(await r.text())`;
    const env = { ...process.env, ...Object.fromEntries(environment) };
    const client = spawn(process.execPath, ['--input-type=module', '-e', script], { env });
    let buckets = '';
    client.stdout.on('data', (chunk: Buffer) => (buckets += chunk.toString()));
    await once(client, 'close');
    expect(buckets).toMatch(/<Name>one<\/Name>.*<Name>two<\/Name>/);

    child.kill(signal);
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(existsSync(environment.get('NODE_EXTRA_CA_CERTS') ?? '')).toBe(false);
  },
);

it.each([
  [['--port', 'x'], 2, /a port is a number/],
  [['--access-key', 'x'], 2, /--access-key and --secret-key go together/],
  [['--unknown'], 2, /unknown option/],
  [['--folder', '/dev/null/x', '--port', '0'], 1, /ENOTDIR/],
] as const)('%j ends with %d', async (args, code, message) => {
  const child = run(...args);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  expect(await once(child, 'close')).toEqual([code, null]);
  expect(errors).toMatch(message);
});
