import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { parseLocation } from '../../lambda/rollup/model/location.ts';
import { run } from '../../lambda/run.ts';
import { copySource } from '../../lambda/s3/conditions.ts';
import { type Connection, connect } from '../../lambda/s3/connection.ts';
import { maxSockets } from '../../lambda/settings/settings.ts';
import { type Settings } from '../../lambda/settings/table.ts';
import { MiB } from '../../lambda/size.ts';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { CREDENTIALS } from '../support/credentials.ts';
import { REFUSED, fromNth, matching, onNth } from '../support/hooks.ts';
import { ASSUMED, ROLE, startSts } from '../support/sts.ts';
import { SETTINGS, failureOf, logLines } from '../support/test-bucket.ts';

const SOURCE = parseLocation('s3://raw-logs/app/08/');
const DESTINATION = parseLocation('s3://rolled-logs/app/08/');

const disposals: (() => unknown)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

async function open(options: Parameters<typeof startSandbox>[0] = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({ buckets: ['raw-logs', 'rolled-logs'], ...options });
  disposals.push(() => sandbox.close());
  return sandbox;
}

function connectTo(settings: Partial<Settings>): Connection {
  const connection = connect({ settings: { ...SETTINGS, ...settings } });
  disposals.push(() => {
    connection.close();
  });
  return connection;
}

function roll(connection: Connection, settings: Partial<Settings> = {}, signal?: AbortSignal) {
  const options = { settings: { ...SETTINGS, ...settings }, ...(signal === undefined ? {} : { signal }) };
  return run({ source: SOURCE, destination: DESTINATION }, connection, options);
}

describe('source and destination endpoints', () => {
  it.each<[string, Partial<Settings>, { one: boolean; copies: boolean }]>([
    ['of which nothing is said', {}, { one: true, copies: true }],
    [
      'of one region each',
      { sourceRegion: 'us-east-1', destinationRegion: 'us-east-1' },
      { one: true, copies: true },
    ],
    [
      'of two regions',
      { sourceRegion: 'us-east-1', destinationRegion: 'eu-west-1' },
      { one: false, copies: true },
    ],
    ['of two endpoints', { sourceEndpointUrl: 'http://127.0.0.1:9000' }, { one: false, copies: false }],
    ['of two profiles', { sourceProfile: 'a', destinationProfile: 'b' }, { one: false, copies: false }],
    ['of one role', { sourceRoleArn: ROLE, destinationRoleArn: ROLE }, { one: true, copies: true }],
    ['of which one has a role', { destinationRoleArn: ROLE }, { one: false, copies: false }],
  ])('%s', (_, settings, { one, copies }) => {
    const { store, raw } = connectTo(settings);
    expect(raw === store).toBe(one);
    expect(store.canCopyFrom(raw)).toBe(copies);
  });

  it('in two regions: requests go to the region of each, and S3 copies', async () => {
    const sandbox = await open();
    sandbox.put('raw-logs', 'app/08/large.log', Buffer.alloc(6 * MiB));
    sandbox.put('raw-logs', 'app/08/small.log', 'line\n');
    const endpoints = { sourceEndpointUrl: sandbox.endpoint, destinationEndpointUrl: sandbox.endpoint };
    const connection = connectTo({
      ...endpoints,
      sourceRegion: 'ap-south-1',
      destinationRegion: 'eu-west-1',
    });
    expect(await roll(connection)).toMatchObject({ status: 'committed', copied: 1, written: 1 });
    const regions = Map.groupBy(
      sandbox.requests,
      ({ headers }) => /Credential=[^/]+\/\d+\/([^/]+)/.exec(headers.authorization ?? '')?.[1],
    );
    expect([...regions.keys()].sort()).toEqual(['ap-south-1', 'eu-west-1']);
    for (const { bucket, operation } of regions.get('ap-south-1') ?? []) {
      expect(bucket).toBe('raw-logs');
      expect(operation).toMatch(/^(Get|List)/);
    }
    expect(sandbox.requests.some(({ operation }) => operation === 'CopyObject')).toBe(true);
  });

  it('with a role for one of them: it is assumed once, with the credentials of the environment', async () => {
    await using sts = await startSts();
    process.env['AWS_ENDPOINT_URL_STS'] = sts.endpoint;
    disposals.push(() => delete process.env['AWS_ENDPOINT_URL_STS']);
    const { asked } = sts;
    const source = await open({ credentials: ASSUMED });
    const destination = await open({ credentials: CREDENTIALS });
    for (let i = 0; i < 40; i++) source.put('raw-logs', `app/08/${i}.log`, logLines(1_000 + i));
    const connection = connectTo({
      sourceEndpointUrl: source.endpoint,
      sourceRoleArn: ROLE,
      sourceExternalId: 'log-rollup',
      destinationEndpointUrl: destination.endpoint,
    });
    expect(await roll(connection)).toMatchObject({ status: 'committed', objects: 40 });
    expect(asked).toHaveLength(1);
    expect(asked[0]).toContain(`${CREDENTIALS.accessKeyId} `);
    expect(new URLSearchParams(asked[0]).get('RoleArn')).toBe(ROLE);
    expect(new URLSearchParams(asked[0]).get('ExternalId')).toBe('log-rollup');
  });
});

describe('conditions on the buckets', () => {
  const owner = (name: string) => `x-amz-${name}expected-bucket-owner`;

  it('go with every request of each side: the owner of its bucket, and who pays', async () => {
    const sandbox = await open();
    sandbox.put('raw-logs', 'app/08/large.log', Buffer.alloc(6 * MiB));
    for (let i = 0; i < 40; i++) sandbox.put('raw-logs', `app/08/${i}.log`, logLines(1_000 + i));
    const connection = connectTo({
      sourceEndpointUrl: sandbox.endpoint,
      destinationEndpointUrl: sandbox.endpoint,
      sourceExpectedBucketOwner: '111122223333',
      destinationExpectedBucketOwner: '444455556666',
      requestPayer: 'requester',
    });
    expect(await roll(connection)).toMatchObject({ status: 'committed', requests: { retries: 0 } });
    for (const { bucket, headers } of sandbox.requests) {
      expect(headers[owner('')]).toBe(bucket === 'raw-logs' ? '111122223333' : '444455556666');
      expect(headers['x-amz-request-payer']).toBe('requester');
      // A header that is not signed could be taken away.
      expect(headers.authorization).toContain(owner(''));
      expect(headers.authorization).toContain('x-amz-request-payer');
    }
    expect(new Set(sandbox.requests.map(({ operation }) => operation)).size).toBeGreaterThan(5);
  });

  it('name the owner of the source of a copy, where both are of one account', async () => {
    const sandbox = await open();
    sandbox.put('raw-logs', 'app/08/large.log', Buffer.alloc(6 * MiB));
    const both = {
      sourceExpectedBucketOwner: '111122223333',
      destinationExpectedBucketOwner: '111122223333',
    };
    const endpoints = { sourceEndpointUrl: sandbox.endpoint, destinationEndpointUrl: sandbox.endpoint };
    expect(await roll(connectTo({ ...endpoints, ...both }))).toMatchObject({ copied: 1 });
    const copies = sandbox.requests.filter(({ operation }) => operation === 'CopyObject');
    expect(copies.map(({ headers }) => headers[owner('source-')])).toEqual(['111122223333']);
  });

  it('are not sent where none is set', async () => {
    const sandbox = await open();
    sandbox.put('raw-logs', 'app/08/a.log', 'line\n');
    await roll(connectTo({ sourceEndpointUrl: sandbox.endpoint, destinationEndpointUrl: sandbox.endpoint }));
    const names = new Set(sandbox.requests.flatMap(({ headers }) => Object.keys(headers)));
    expect([...names].filter((name) => /owner|payer|server-side/.test(name))).toEqual([]);
  });

  it("encrypt outputs, index and manifest with S3's own keys, said in each request that creates one", async () => {
    const sandbox = await open();
    sandbox.put('raw-logs', 'app/08/a.log', 'line\n');
    const endpoints = { sourceEndpointUrl: sandbox.endpoint, destinationEndpointUrl: sandbox.endpoint };
    await roll(connectTo({ ...endpoints, sse: 'AES256' }), { sse: 'AES256' });
    const created = sandbox.requests.filter(({ operation }) =>
      /^(PutObject|CreateMultipart)/.test(operation),
    );
    expect(created.length).toBeGreaterThanOrEqual(3);
    for (const { headers } of created) expect(headers['x-amz-server-side-encryption']).toBe('AES256');
  });
});

/** Host of the requests that the SDK's client and the short way of GETs send. */
async function hostsOf(variables: Record<string, string>, bucket = 'raw-logs'): Promise<Set<string>> {
  const before = { ...process.env };
  Object.assign(process.env, { AWS_REGION: 'eu-central-1', ...variables });
  for (const name of ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3']) Reflect.deleteProperty(process.env, name);
  try {
    const connection = connectTo({});
    const hosts = new Set<string>();
    const handler = connection.client.config.requestHandler as {
      handle: (request: { hostname: string }) => Promise<never>;
    };
    handler.handle = (request: { hostname: string }) => {
      hosts.add(request.hostname);
      return Promise.reject(Object.assign(new Error('stop'), { name: 'AccessDenied' }));
    };
    const from = { bucket, key: 'a', etag: 'e' };
    await connection.store.head(from).catch(() => undefined);
    await connection.store.read(from, Buffer.alloc(1), new AbortController().signal).catch(() => undefined);
    return hosts;
  } finally {
    for (const name of Object.keys(process.env))
      if (!(name in before)) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, before);
  }
}

describe("AWS's own variants of endpoints", () => {
  it.each([
    [{}, 'raw-logs.s3.eu-central-1.amazonaws.com'],
    [{ AWS_USE_DUALSTACK_ENDPOINT: 'true' }, 'raw-logs.s3.dualstack.eu-central-1.amazonaws.com'],
    [{ AWS_USE_FIPS_ENDPOINT: 'true', AWS_REGION: 'us-east-1' }, 'raw-logs.s3-fips.us-east-1.amazonaws.com'],
  ])('%j: %s', async (variables, host) => {
    expect([...(await hostsOf(variables))]).toEqual([host]);
  });
});

describe('an access point in the place of a bucket', () => {
  const ARN = 'arn:aws:s3:eu-west-1:111122223333:accesspoint/logs';

  it('is asked in its own region, by its ARN', async () => {
    expect([...(await hostsOf({}, ARN))]).toEqual([
      'logs-111122223333.s3-accesspoint.eu-west-1.amazonaws.com',
    ]);
  });

  it('is named in a copy as S3 asks for it', () => {
    expect(decodeURIComponent(copySource(ARN, 'raw/a b+c.log'))).toBe(`${ARN}/object/raw/a b+c.log`);
    expect(copySource(ARN, 'raw/a b+c.log')).not.toMatch(/[ +:]/);
    expect(copySource('raw-logs', 'raw/a b.log')).toBe('raw-logs/raw/a%20b.log');
  });
});

describe('two hosts', () => {
  it('share one bound of connections, idle ones included, and one count of requests', async () => {
    const source = await open();
    const destination = await open();
    const settings = { concurrency: 8, outputsInFlight: 2 };
    const bound = maxSockets({ ...SETTINGS, ...settings });
    for (let i = 0; i < 300; i++) source.put('raw-logs', `app/08/${i}.log`, logLines(60_000 + i));
    const sides = { sourceEndpointUrl: source.endpoint, destinationEndpointUrl: destination.endpoint };
    const connection = connectTo({ ...settings, ...sides });
    const result = await roll(connection, settings);
    expect(result.peak.connections).toBeLessThanOrEqual(bound);
    expect(connection.gauge.connections).toBeLessThanOrEqual(bound);
    const { retries, ...sent } = result.requests;
    expect(retries).toBe(0);
    expect(Object.values(sent).reduce((sum, count) => sum + count, 0)).toBe(
      source.requests.length + destination.requests.length,
    );
  });

  it('close an idle connection to one if the other needs one and the bound is reached', async () => {
    const source = await open();
    const destination = await open();
    const settings = { concurrency: 1, outputsInFlight: 1 };
    const sides = { sourceEndpointUrl: source.endpoint, destinationEndpointUrl: destination.endpoint };
    const { raw, store, gauge } = connectTo({ ...settings, ...sides });
    const bound = maxSockets({ ...SETTINGS, ...settings });
    const heads = (of: typeof store) =>
      Promise.all(Array.from({ length: bound }, (_, i) => of.head({ bucket: 'raw-logs', key: `k${i}` })));
    gauge.start();
    await heads(raw);
    expect(gauge.connections).toBe(bound);
    await heads(store);
    await heads(raw);
    expect(gauge.stop().connections).toBe(bound);
  });
});

describe('a streamed copy of a large source', () => {
  const large = logLines(23 * MiB + 11);

  async function openSides() {
    const source = await open();
    const destination = await open();
    source.put('raw-logs', 'app/08/large.log', large);
    const sides = { sourceEndpointUrl: source.endpoint, destinationEndpointUrl: destination.endpoint };
    return { source, destination, connection: connectTo(sides) };
  }

  const stored = (sandbox: Sandbox) =>
    sandbox
      .keys('rolled-logs')
      .filter((key) => key.includes('part-'))
      .map((key) => sandbox.get('rolled-logs', key));

  it('reads ranges, repeats one whose body broke, and has the same bytes', async () => {
    const { source, destination, connection } = await openSides();
    source.hook = onNth(3, matching('GetObject'), { kind: 'cut', afterBytes: 90_003, how: 'reset' });
    const result = await roll(connection);
    expect(result).toMatchObject({ status: 'committed', copied: 1, requests: { retries: 1 } });
    expect(stored(destination).map((body) => body?.equals(large))).toEqual([true]);
    const ranges = source.requests.filter(matching('GetObject'));
    expect(ranges.length).toBe(Math.ceil(large.length / (SETTINGS.partSize / 2)) + 1);
    expect(
      ranges.every(({ range, headers }) => range !== undefined && headers['if-match'] !== undefined),
    ).toBe(true);
  });

  it('has no more ranges in flight than downloads may be', async () => {
    const { source, connection } = await openSides();
    source.put('raw-logs', 'app/08/larger.log', Buffer.alloc(30 * MiB));
    let inFlight = 0;
    let most = 0;
    source.hook = async ({ operation }) => {
      if (operation !== 'GetObject') return undefined;
      most = Math.max(most, ++inFlight);
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      inFlight--;
      return undefined;
    };
    await roll(connection, { concurrency: 3 });
    expect(most).toBe(3);
  });

  it('fails and leaves no object if bytes were changed on the way', async () => {
    const { source, destination, connection } = await openSides();
    // Written with a CRC-32, which S3 keeps: a range by itself could not be checked.
    source.delete('raw-logs', 'app/08/large.log');
    const sent = await connection.raw.uploadStream(
      { bucket: 'raw-logs', key: 'app/08/large.log' },
      Readable.from([large]),
      { partSize: 5 * MiB, metadata: {} },
      new AbortController().signal,
    );
    expect(sent.size).toBe(large.length);
    source.hook = onNth(2, matching('GetObject'), { kind: 'corrupt', atByte: 5_000 });
    expect(await failureOf(roll(connection))).toMatchObject({
      code: 'ChecksumMismatch',
      key: 'app/08/large.log',
    });
    expect(destination.keys('rolled-logs')).toEqual([]);
    expect(destination.openUploads('rolled-logs')).toEqual([]);
  });

  it.each([
    ['is refused', 'AccessDenied', fromNth(1, matching('GetObject'), REFUSED)],
    [
      'ends early every time',
      'ShortBody',
      fromNth(1, matching('GetObject'), { kind: 'cut', afterBytes: 7, how: 'close' } as const),
    ],
  ])('and %s ends the run, and leaves nothing', async (_, code, hook) => {
    const { source, destination, connection } = await openSides();
    source.hook = hook;
    expect(await failureOf(roll(connection))).toMatchObject({ code, key: 'app/08/large.log' });
    expect(destination.keys('rolled-logs')).toEqual([]);
    expect(destination.openUploads('rolled-logs')).toEqual([]);
  });

  it('ends the run with SourceChanged if the source changes meanwhile, and leaves nothing', async () => {
    const { source, destination, connection } = await openSides();
    let cut = false;
    source.hook = ({ operation }) => {
      if (operation !== 'GetObject' || cut) return undefined;
      cut = true;
      queueMicrotask(() => source.put('raw-logs', 'app/08/large.log', Buffer.alloc(large.length)));
      return { kind: 'cut', afterBytes: 1_003, how: 'reset' };
    };
    expect(await failureOf(roll(connection))).toMatchObject({
      code: 'SourceChanged',
      key: 'app/08/large.log',
    });
    expect(destination.keys('rolled-logs')).toEqual([]);
    expect(destination.openUploads('rolled-logs')).toEqual([]);
  });

  it('holds no more memory than four parts, whatever the size of the source', async () => {
    const { destination, connection } = await openSides();
    const result = await roll(connection);
    expect(result.peak.inFlightBytes).toBe(4 * SETTINGS.partSize);
    expect(stored(destination)[0]?.equals(large)).toBe(true);
  });
});
