import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseManifest } from '../../lambda/rollup/model/manifest.ts';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { type Ended, environment, lines, parseObject, runInProcess } from './command-line.ts';

const RAW = { bucket: 'raw-logs', uri: 's3://raw-logs/app/08/' };
const ROLLED = { bucket: 'rolled-logs', uri: 's3://rolled-logs/app/08/', key: 'app/08/_manifest.json' };
const CREDENTIALS = {
  raw: { accessKeyId: 'AKIDRAW', secretAccessKey: 'secret of the raw side' },
  archive: { accessKeyId: 'AKIDARCHIVE', secretAccessKey: 'secret of the archive' },
};

let source: Sandbox;
let destination: Sandbox;
let folder: string;
let endpointFlags: string[];

beforeAll(async () => {
  // Each knows only its own credentials and its own bucket.
  source = await startSandbox({ buckets: [RAW.bucket], credentials: CREDENTIALS.raw });
  destination = await startSandbox({ buckets: [ROLLED.bucket], credentials: CREDENTIALS.archive });
  folder = mkdtempSync(join(tmpdir(), 's3-log-rollup-endpoints-'));
  const profiles = Object.entries(CREDENTIALS).map(
    ([name, { accessKeyId, secretAccessKey }]) =>
      `[${name}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
  );
  writeFileSync(join(folder, 'credentials'), profiles.join('\n'));
  endpointFlags = [
    ...['--source-endpoint-url', source.endpoint, '--source-profile', 'raw', '--source-region', 'us-east-1'],
    ...['--destination-endpoint-url', destination.endpoint, '--destination-profile', 'archive'],
    ...['--destination-region', 'eu-west-1'],
  ];
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await Promise.all([source.close(), destination.close()]);
});

/** Runs a command with credentials of its own that reach neither endpoint. */
function cli(args: string[], more: string[] = endpointFlags): Promise<Ended> {
  const env = environment('http://127.0.0.1:1', { AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') });
  return runInProcess([...args, ...more], env);
}

async function json(args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await cli([...args, '--json', '--no-progress']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return parseObject(stdout);
}

const run = (...more: string[]) => json(['run', RAW.uri, ROLLED.uri, '--target-size', '5MiB', ...more]);
const put = (name: string, body: Buffer | string) => source.put(RAW.bucket, `app/08/${name}`, body);

function manifest() {
  return parseManifest(destination.get(ROLLED.bucket, ROLLED.key) ?? Buffer.of(), ROLLED.key);
}

describe('a source and a destination of two endpoints, each with credentials of its own', () => {
  // A little over 17 MiB: more than the four parts that a streamed copy holds at once. No two parts are alike.
  const large = Buffer.from(
    lines(26 * 2 ** 20 + 17, 'l').replace(/l{99}/g, (line, at) => `${at}`.padEnd(line.length, 'l')),
  );

  it('are rolled up, with a large source as a streamed copy, and later with late, changed and expired sources', async () => {
    for (let i = 10; i < 40; i++) put(`${i}.log`, lines(400_000, String(i)));
    put('25-large.log', large);
    const planned = await json(['plan', RAW.uri, ROLLED.uri, '--target-size', '5MiB', '--part-size', '5MiB']);
    expect(planned).toMatchObject({ objects: 31 });
    expect(destination.keys(ROLLED.bucket)).toEqual([]);

    const first = await run('--part-size', '5MiB');
    expect(first).toMatchObject({ status: 'committed', objects: 31, copied: 1 });
    const streamed = manifest().outputs.find(({ size }) => size === large.length);
    expect(destination.get(ROLLED.bucket, streamed?.key ?? '')?.equals(large)).toBe(true);
    // Counts and peaks are of both endpoints.
    expect(first['requests']).toEqual({ ...(planned['requests'] as object), retries: 0, copy: 0 });
    expect(await run()).toMatchObject({ status: 'unchanged', written: 0, copied: 0 });

    put('99-late.log', 'late\n');
    put('12.log', 'changed in place, without its last newline');
    source.delete(RAW.bucket, 'app/08/11.log');
    source.delete(RAW.bucket, 'app/08/25-large.log');
    expect(await run()).toMatchObject({ status: 'committed', objects: 32 });
    expect(await json(['verify', ROLLED.uri, '--deep'])).toMatchObject({
      status: 'ok',
      objects: 32,
      expired: 2,
      problems: [],
    });
    expect(await run('--repack')).toMatchObject({ status: 'committed', objects: 32 });
    expect(await json(['verify', ROLLED.uri, '--deep'])).toMatchObject({ status: 'ok', expired: 2 });

    const { stdout } = await cli(['extract', ROLLED.uri, '11.log']);
    expect(stdout).toBe(lines(400_000, '11'));
    expect(destination.openUploads(ROLLED.bucket)).toEqual([]);
    expect(source.requests.filter(({ operation }) => !/^(Get|Head|List)/.test(operation))).toEqual([]);
  });

  it('are told apart in errors', async () => {
    const [, , , , , , ...rest] = endpointFlags;
    const wrong = ['--source-endpoint-url', source.endpoint, '--source-profile', 'archive', ...rest];
    const { code, stderr } = await cli(['run', RAW.uri, ROLLED.uri, '--json'], wrong);
    expect(code).toBe(1);
    expect(stderr).toContain('InvalidAccessKeyId');
    expect(stderr).toContain(RAW.uri);
  });
});

describe('an output of the command line', () => {
  it('has the attributes that were given', async () => {
    const to = 's3://rolled-logs/attributes/';
    source.put(RAW.bucket, 'app/09/a.log', 'line\n');
    const flags = [
      ...['--storage-class', 'STANDARD_IA', '--tags', 'team=logs,formula=a=b', '--kms-key-id', 'alias/logs'],
      ...['--content-type', 'text/plain', '--acl', 'bucket-owner-full-control'],
    ];
    await json(['run', 's3://raw-logs/app/09/', to, ...flags]);
    const [output = ''] = destination.keys(ROLLED.bucket, 'attributes/part-');
    expect(destination.attributes(ROLLED.bucket, output)).toMatchObject({
      storageClass: 'STANDARD_IA',
      tags: { team: 'logs', formula: 'a=b' },
      encryption: { keyId: 'alias/logs', bucketKey: true },
      acl: 'bucket-owner-full-control',
      headers: { 'content-type': 'text/plain' },
    });
    for (const key of destination.keys(ROLLED.bucket, 'attributes/_')) {
      const { encryption, acl, storageClass, tags } = destination.attributes(ROLLED.bucket, key) ?? {};
      expect({ encryption, acl, storageClass, tags }, key).toEqual({
        encryption: { keyId: 'alias/logs', bucketKey: true },
        acl: 'bucket-owner-full-control',
        storageClass: 'STANDARD',
        tags: {},
      });
    }
  });

  it.each([
    [['--storage-class', 'DEEP_ARCHIVE'], 'later runs and verify can read at once'],
    [['--tags', 'aws:team=logs'], 'which AWS keeps for itself'],
    [['--acl', 'public-read', '--source-role-arn', 'logs'], '--source-role-arn must be the ARN of a role'],
  ])('%j is refused with its reason', async (flags, why) => {
    const { code, stderr } = await cli(['run', RAW.uri, ROLLED.uri, ...flags]);
    expect(code).toBe(2);
    expect(stderr).toContain(why);
  });
});
