import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RollupError } from '../../lambda/errors.ts';
import { parseLocation } from '../../lambda/rollup/model/location.ts';
import { rollUp } from '../../lambda/rollup/rollup.ts';
import { run } from '../../lambda/run.ts';
import { connect } from '../../lambda/s3/connection.ts';
import { startSandbox } from '../../sandbox/sandbox.ts';
import { CREDENTIALS } from '../support/credentials.ts';
import { eventually } from '../support/eventually.ts';
import { beforeNth, fromNth, matching } from '../support/hooks.ts';
import {
  AGGREGATED,
  BUCKET,
  DESTINATION,
  MANIFEST_KEY,
  RAW,
  SETTINGS,
  SOURCE,
  type TestBucket,
  failureOf,
  logLines,
  openTestBucket,
} from '../support/test-bucket.ts';

/** What a refused run leaves: nothing that was not there, no upload, no request under way. */
async function expectNothingWritten(bucket: TestBucket, before: string[] = []): Promise<void> {
  expect(bucket.stored()).toEqual(before);
  expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
  await eventually(() => {
    expect(bucket.sandbox.stats().inFlight).toBe(0);
  });
}

describe('before the first download, a run refuses', () => {
  it.each<[string, (bucket: TestBucket) => void, object]>([
    [
      'a .parquet under the prefix',
      (bucket) => {
        bucket.put('b.parquet', 'PAR1\x15\x04');
      },
      { code: 'SourceNotJoinable', key: `${RAW}b.parquet` },
    ],
    [
      'what is archived',
      (bucket) => {
        bucket.put('b.log', 'b', { storageClass: 'GLACIER' });
      },
      { code: 'SourceArchived', key: `${RAW}b.log` },
    ],
    [
      'what is deeply archived',
      (bucket) => {
        bucket.put('b.log', 'b', { storageClass: 'DEEP_ARCHIVE' });
      },
      { code: 'SourceArchived', key: `${RAW}b.log` },
    ],
  ])('%s', async (_, prepare, expected) => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'a');
    prepare(bucket);
    expect(await failureOf(bucket.roll())).toMatchObject(expected);
    expect(bucket.downloads()).toEqual([]);
    expect(bucket.writes()).toEqual([]);
    await expectNothingWritten(bucket);
  });

  it('what cannot be joined, with a few keys of many and how many more there are', async () => {
    await using bucket = await openTestBucket();
    for (let i = 0; i < 8; i++) bucket.put(`${i}.zip`, 'PK\x03\x04');
    const { message } = await failureOf(bucket.roll());
    expect(message).toContain(`${RAW}0.zip, ${RAW}1.zip`);
    expect(message).toContain(`${RAW}4.zip, and 3 more are ZIP: they cannot be joined`);
  });

  it.each([
    [['b.parquet'], 'b.parquet is Parquet: it cannot be joined with others of its format.'],
    [['b.tar.gz'], 'b.tar.gz is tar: it cannot be joined'],
    [['b.orc', 'c.7z'], 'c.7z are 7z, ORC: they cannot be joined with others of their format.'],
  ])('what cannot be joined, with the format of %j', async (names, expected) => {
    await using bucket = await openTestBucket();
    for (const name of names) bucket.put(name, name.endsWith('.gz') ? gzipSync('x') : '\x00');
    expect((await failureOf(bucket.roll())).message).toContain(expected);
  });

  it('archived sources, with their keys and what to do', async () => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'a', { storageClass: 'GLACIER' });
    expect((await failureOf(bucket.roll())).message).toContain(
      'a.log is archived and cannot be read. Restore it',
    );
    bucket.put('b.log', 'b', { storageClass: 'GLACIER' });
    expect((await failureOf(bucket.roll())).message).toContain(
      'b.log are archived and cannot be read. Restore them',
    );
  });

  it('nothing in an archive class that can be read at once', async () => {
    await using bucket = await openTestBucket();
    bucket.put('a.log', 'a', { storageClass: 'GLACIER_IR' });
    bucket.put('b.log', 'b', { storageClass: 'STANDARD_IA' });
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 2 });
  });
});

describe('a manifest', () => {
  it('of another source that was empty gives way', async () => {
    await using bucket = await openTestBucket();
    expect(await bucket.roll()).toMatchObject({ status: 'empty' });
    const text = bucket.sandbox.get(BUCKET, MANIFEST_KEY)?.toString() ?? '';
    bucket.sandbox.put(BUCKET, MANIFEST_KEY, text.replaceAll(RAW, 'raw/mistyped/'));
    expect(await bucket.roll()).toMatchObject({ status: 'empty' });
    expect(bucket.manifest.source).toBe(`s3://${BUCKET}/${RAW}`);
    bucket.sandbox.put(BUCKET, MANIFEST_KEY, text.replaceAll(RAW, 'raw/mistyped/'));
    bucket.putHour(5);
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 5 });
    expect(bucket.manifest.source).toBe(`s3://${BUCKET}/${RAW}`);
    await bucket.expectSound();
  });

  it.each<[string, (text: string) => string, object]>([
    [
      'that is not ours',
      () => '{"entries":[{"url":"s3://b/a"}]}',
      { code: 'BadManifest', key: MANIFEST_KEY },
    ],
    ['that is no JSON', () => 'a,b,c', { code: 'BadManifest', key: MANIFEST_KEY }],
    ['that is empty', () => '', { code: 'BadManifest', key: MANIFEST_KEY }],
    [
      'of a newer version',
      (text) => text.replace('"version": 1', '"version": 4'),
      { code: 'ManifestVersion', key: MANIFEST_KEY },
    ],
    [
      'of a known version with fields that are not known',
      (text) =>
        text.replace('"generation"', '"shape": {}, "generation"').replace('"size"', '"rows": 1, "size"'),
      {
        code: 'ManifestVersion',
        key: MANIFEST_KEY,
        message: `${MANIFEST_KEY} has fields that this release does not know: "rows", "shape". A later release may have written it: use that one, or a later one, and leave the object where it is.`,
      },
    ],
    [
      'that is damaged besides having fields that are not known',
      (text) => text.replace('"generation": 0', '"shape": {}, "generation": "none"'),
      { code: 'BadManifest', key: MANIFEST_KEY },
    ],
    [
      'of another source',
      (text) => text.replaceAll(RAW, 'raw/other/'),
      { code: 'ManifestOfAnotherSource', key: MANIFEST_KEY },
    ],
    [
      'of another destination',
      (text) => text.replaceAll(AGGREGATED, 'aggregated/other/'),
      { code: 'BadManifest', key: MANIFEST_KEY },
    ],
    [
      'that names objects which are not ours',
      (text) => text.replace(/part-00000-[0-9a-f]{12}.log/, 'dear.log'),
      { code: 'BadManifest', key: MANIFEST_KEY },
    ],
    [
      'whose index of sources is of another rollup',
      (text) => text.replace('"count": 5', '"count": 6'),
      { code: 'BadManifest' },
    ],
  ])('%s is left alone', async (_, edit, expected) => {
    await using bucket = await openTestBucket();
    bucket.putHour(5);
    await bucket.roll();
    const text = bucket.sandbox.get(BUCKET, MANIFEST_KEY)?.toString() ?? '';
    expect(edit(text)).not.toBe(text);
    bucket.sandbox.put(BUCKET, MANIFEST_KEY, edit(text));
    bucket.put('late.log', 'late');
    bucket.put('00000.log', 'changed');
    const before = bucket.stored();
    bucket.sandbox.clearRequests();
    expect(await failureOf(bucket.roll())).toMatchObject(expected);
    expect(bucket.downloads()).toEqual([]);
    expect(bucket.writes()).toEqual([]);
    await expectNothingWritten(bucket, before);
  });

  it('whose index of sources is gone is not taken for an empty one', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(5);
    await bucket.roll();
    const { key } = bucket.manifest.sources;
    bucket.sandbox.delete(BUCKET, key);
    expect(await failureOf(bucket.roll())).toMatchObject({ code: 'BadManifest', key });
  });
});

describe('a source that', () => {
  it.each<[string, (bucket: TestBucket, name: string) => void, string]>([
    [
      'changes between listing and download',
      (bucket, name) => {
        bucket.put(name, logLines(50_000));
      },
      'SourceChanged',
    ],
    [
      'changes to the same size',
      (bucket, name) => {
        bucket.put(
          name,
          logLines(30_000).map((byte) => byte ^ 1),
        );
      },
      'SourceChanged',
    ],
    [
      'is emptied',
      (bucket, name) => {
        bucket.put(name, '');
      },
      'SourceChanged',
    ],
    [
      'vanishes',
      (bucket, name) => {
        bucket.remove(name);
      },
      'SourceVanished',
    ],
    [
      'is archived',
      (bucket, name) => {
        bucket.put(name, logLines(30_000), { storageClass: 'GLACIER' });
      },
      'SourceArchived',
    ],
  ])('%s ends the run with its key, and nothing is committed', async (_, change, code) => {
    await using bucket = await openTestBucket();
    // So that the first output is downloaded first.
    await bucket.tryWritesOut({ parts: true });
    for (let i = 0; i < 250; i++) bucket.put(`${i}.log`, logLines(30_000));
    bucket.sandbox.hook = beforeNth(120, matching('GetObject', RAW), () => {
      change(bucket, '77.log');
    });
    const first = bucket.sandbox.keys(BUCKET, RAW).indexOf(`${RAW}77.log`);
    expect(first).toBeGreaterThan(190);
    expect(await failureOf(bucket.roll())).toMatchObject({ code, key: `${RAW}77.log` });
    expect(bucket.isCommitted).toBe(false);
    await expectNothingWritten(
      bucket,
      bucket.stored().filter((name) => name.startsWith('part-')),
    );
    bucket.sandbox.hook = undefined;
    if (code === 'SourceArchived') return;
    expect(await bucket.roll()).toMatchObject({ status: 'committed' });
    await bucket.expectSound();
  });

  it.each<[string, (bucket: TestBucket) => void, string]>([
    [
      'is large and changes',
      (bucket) => {
        bucket.put('large.log', logLines(6_000_001));
      },
      'SourceChanged',
    ],
    [
      'is large and vanishes',
      (bucket) => {
        bucket.remove('large.log');
      },
      'SourceVanished',
    ],
  ])('%s before its copy ends the run with its key', async (_, change, code) => {
    await using bucket = await openTestBucket();
    bucket.put('large.log', logLines(6_000_000));
    bucket.sandbox.hook = beforeNth(1, matching('CopyObject'), () => {
      change(bucket);
    });
    expect(await failureOf(bucket.roll())).toMatchObject({ code, key: `${RAW}large.log` });
    await expectNothingWritten(bucket);
  });

  it('can never be had whole ends the run with its key', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(40);
    const key = `${RAW}00013.log`;
    bucket.sandbox.hook = fromNth(1, matching('GetObject', key), {
      kind: 'cut',
      afterBytes: 100,
      how: 'close',
    });
    expect(await failureOf(bucket.roll())).toMatchObject({ code: 'ShortBody', key });
    expect(bucket.isCommitted).toBe(false);
    await expectNothingWritten(bucket);
  });
});

describe('access to S3', () => {
  it('fails with NoSuchBucket where neither bucket exists', async () => {
    await using bucket = await openTestBucket();
    const nowhere = {
      source: parseLocation('s3://no-such-bucket/raw/'),
      destination: parseLocation('s3://no-such-bucket/agg/'),
    };
    const failure = await failureOf(run(nowhere, bucket.connection, { settings: SETTINGS }));
    expect(failure.code).toBe('NoSuchBucket');
    expect(failure.message).toContain('no-such-bucket');
  });

  it('fails with NoSuchBucket where the bucket of raw logs does not exist', async () => {
    await using bucket = await openTestBucket();
    const request = { source: parseLocation('s3://no-such-bucket/raw/'), destination: DESTINATION };
    expect(await failureOf(run(request, bucket.connection, { settings: SETTINGS }))).toMatchObject({
      code: 'NoSuchBucket',
    });
    await expectNothingWritten(bucket);
  });

  it.each([
    ['another key', { accessKeyId: 'AKIDOTHER', secretAccessKey: CREDENTIALS.secretAccessKey }],
    ['another secret', { accessKeyId: CREDENTIALS.accessKeyId, secretAccessKey: 'other' }],
  ])('is refused with %s', async (_, credentials) => {
    await using bucket = await openTestBucket({}, { credentials });
    bucket.putHour(3);
    const failure = await failureOf(bucket.roll());
    expect(failure.code).toBe('AccessDenied');
    expect(failure.message).toContain('Check the credentials');
    await expectNothingWritten(bucket);
  });

  it('is given with the right credentials, every request signed', async () => {
    await using bucket = await openTestBucket({}, { credentials: CREDENTIALS });
    bucket.putHour(60);
    bucket.put('odd +%&?#=\'"😀\n.log', 'odd');
    bucket.put('large.log', logLines(6_000_000));
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 62 });
    await bucket.expectSound();
  });

  it('is given up after five attempts at the most where the endpoint is down', async () => {
    const sandbox = await startSandbox();
    await sandbox.close();
    const connection = connect({ settings: SETTINGS, endpointUrl: sandbox.endpoint });
    const failure = await failureOf(
      run({ source: SOURCE, destination: DESTINATION }, connection, { settings: SETTINGS }),
    );
    expect(failure.code).toBe('EndpointUnreachable');
    // With the pauses between them less than four seconds.
    expect(failure.message).toMatch(/after [2-5] attempts/);
    connection.close();
  });

  it('is lost half-way: the run ends, and nothing is committed', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(200);
    bucket.sandbox.hook = fromNth(100, () => true, { kind: 'reset' });
    const connection = bucket.connect({}, { timeouts: { retries: 500 } });
    expect(await failureOf(bucket.roll({ connection }))).toMatchObject({ code: 'EndpointUnreachable' });
    expect(bucket.isCommitted).toBe(false);
    bucket.sandbox.hook = undefined;
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 200 });
    await bucket.expectSound();
  });
});

it.each([
  ['s3://b/a/', 's3://b/a/b/'],
  ['s3://b/a/b/', 's3://b/a/'],
  ['s3://b/a/', 's3://b/a/'],
])('%s is not rolled up into %s', async (source, destination) => {
  await using bucket = await openTestBucket();
  const request = { source: parseLocation(source), destination: parseLocation(destination) };
  expect(await failureOf(run(request, bucket.connection, { settings: SETTINGS }))).toMatchObject({
    code: 'InvalidArgument',
  });
  expect(bucket.sandbox.requests).toEqual([]);
});

describe('a run that is told to stop', () => {
  const unhandled: unknown[] = [];
  const remember = (reason: unknown): void => {
    unhandled.push(reason);
  };
  beforeEach(() => process.on('unhandledRejection', remember));
  afterEach(() => {
    process.off('unhandledRejection', remember);
    expect(unhandled).toEqual([]);
  });

  const reasons: [string, unknown][] = [
    ['without a reason', undefined],
    ['with one of its own', new RollupError('Aborted', 'Enough.')],
    ['with one of another kind', new Error('SIGTERM')],
  ];
  const moments = [
    ['at a download', 'GetObject', RAW, 60],
    ['at an upload part', 'UploadPart', AGGREGATED, 2],
    ['at a copy', 'CopyObject', AGGREGATED, 1],
  ] as const;
  it.each(
    moments.flatMap(([when, ...rest]) =>
      reasons.map(([how, reason]) => [when, how, reason, ...rest] as const),
    ),
  )('%s %s ends as Aborted, all its requests with it', async (_, __, reason, operation, prefix, n) => {
    await using bucket = await openTestBucket();
    bucket.putHour(110);
    bucket.put('large.log', logLines(6_000_000));
    const controller = new AbortController();
    bucket.sandbox.hook = beforeNth(n, matching(operation, prefix), () => {
      controller.abort(reason);
    });
    expect(await failureOf(bucket.roll({ signal: controller.signal }))).toMatchObject({ code: 'Aborted' });
    expect(bucket.isCommitted).toBe(false);
    await eventually(() => {
      expect(bucket.sandbox.openUploads(BUCKET)).toEqual([]);
      expect(bucket.sandbox.stats().inFlight).toBe(0);
    });
    bucket.sandbox.hook = undefined;
    expect(await bucket.roll()).toMatchObject({ status: 'committed', objects: 111 });
    await bucket.expectSound();
  });

  it('before it began sends nothing', async () => {
    await using bucket = await openTestBucket();
    bucket.putHour(3);
    const context = {
      store: bucket.connection.store,
      settings: SETTINGS,
      now: () => new Date(),
      report: () => undefined,
      hasTime: () => true,
      signal: AbortSignal.abort(),
    };
    expect(await failureOf(rollUp({ source: SOURCE, destination: DESTINATION }, context))).toMatchObject({
      code: 'Aborted',
    });
    expect(bucket.downloads()).toEqual([]);
    await expectNothingWritten(bucket);
  });
});
