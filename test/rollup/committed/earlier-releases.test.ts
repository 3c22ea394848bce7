import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { extract, parseLocation, verify } from '../../../lambda/rollup/index.ts';
import { run } from '../../../lambda/run.ts';
import { connect } from '../../../lambda/s3/connection.ts';
import { DEFAULT_SETTINGS } from '../../../lambda/settings/settings.ts';
import type { Settings } from '../../../lambda/settings/table.ts';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import '../../support/credentials.ts';

const BUCKET = 'logs';
const SOURCE = parseLocation('s3://logs/raw/app/08/');
const DESTINATION = parseLocation('s3://logs/aggregated/app/08/');

/** Objects by key, in base64, as a release left them: three sources that were rolled up, and one that came late. */
type Sample = Record<string, string>;

/** A manifest of version 1, 2 (a request kept the sources) and 3 (CRC-64/NVMEs). */
const SAMPLES: [name: string, settings: Partial<Settings>][] = [
  ['release-0.1/keep', {}],
  ['release-0.1/gzip', { codec: 'gzip', groupBy: '^([^/]+)/' }],
  ['release-1.0.0-rc.1/keep', {}],
  ['version-3/keep', {}],
];

async function opened(name: string, settings: Partial<Settings>) {
  const sandbox = await startSandbox({ buckets: [BUCKET] });
  const sample = JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), 'utf8')) as Sample;
  const bodies = new Map(Object.entries(sample).map(([key, body]) => [key, Buffer.from(body, 'base64')]));
  for (const [key, body] of bodies) sandbox.put(BUCKET, key, body);
  const chosen = { ...DEFAULT_SETTINGS, ...settings };
  const connection = connect({ settings: chosen, endpointUrl: sandbox.endpoint });
  const roll = (repack = false) =>
    run({ source: SOURCE, destination: DESTINATION, repack }, connection, { settings: chosen });
  const sources = new Map([...bodies].filter(([key]) => key.startsWith(SOURCE.prefix)));
  return {
    ...{ sandbox, store: connection.store, roll, sources },
    [Symbol.asyncDispose]: async () => {
      connection.close();
      await sandbox.close();
    },
  };
}

async function expectWhole(
  { store, sources }: Awaited<ReturnType<typeof opened>>,
  isDecoded: boolean,
): Promise<void> {
  const report = await verify(DESTINATION, {
    ...{ store, deep: true, concurrency: 2, progress: () => undefined },
    signal: new AbortController().signal,
  });
  expect(report).toMatchObject({ status: 'ok', objects: sources.size, problems: [] });
  for (const [key, body] of sources) {
    const { bytes } = await extract(store, DESTINATION, key);
    const expected = isDecoded && key.endsWith('.gz') ? gunzipSync(body) : body;
    expect((await buffer(Readable.from(bytes))).equals(expected)).toBe(true);
  }
}

function outputsOf(sandbox: Sandbox): string[] {
  return sandbox.keys(BUCKET, DESTINATION.prefix);
}

describe.each(SAMPLES)('what an earlier release committed, %s,', (name, settings) => {
  const isDecoded = settings.codec !== undefined;

  it('is read as it was, every source and every byte', async () => {
    await using sample = await opened(name, settings);
    await expectWhole(sample, isDecoded);
  });

  it('stays as it is where nothing is new', async () => {
    await using sample = await opened(name, settings);
    const before = outputsOf(sample.sandbox);
    expect(await sample.roll()).toMatchObject({ status: 'unchanged', objects: sample.sources.size });
    expect(outputsOf(sample.sandbox)).toEqual(before);
  });

  it('takes late sources, and is built anew from its outputs once raw has expired', async () => {
    await using sample = await opened(name, settings);
    const key = `${SOURCE.prefix}app/later.log`;
    const body = Buffer.from('{"id":6}\n');
    sample.sandbox.put(BUCKET, key, body);
    sample.sources.set(key, body);
    expect(await sample.roll()).toMatchObject({ status: 'committed', written: 1 });
    await expectWhole(sample, isDecoded);
    for (const source of sample.sources.keys()) sample.sandbox.delete(BUCKET, source);
    expect(await sample.roll(true)).toMatchObject({ status: 'committed', objects: sample.sources.size });
    await expectWhole(sample, isDecoded);
  });
});
