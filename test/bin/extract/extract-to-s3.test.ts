import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { BUCKET, cli, environment, json, lines, parseObject, start } from '../command-line.ts';

const SOURCE = `s3://${BUCKET}/raw/08/`;
const TO = `s3://${BUCKET}/back/08/`;
const PREFIX = 'back/08/';

/** Objects with names that whoever writes raw logs may choose. S3 takes all of them as they are. */
const BODIES: Record<string, Buffer> = {
  'app/a.log': Buffer.from(lines(3_000, 'a')),
  'app/b.log.gz': gzipSync(lines(2_000, 'b')),
  'app/c.log': Buffer.from(lines(9_000, 'c')),
  'web/a.log': Buffer.from(lines(1_000, 'w')),
  'web/A.log': Buffer.from('differs in case\n'),
  'web/a.log/deeper': Buffer.from('below it\n'),
  '/absolute.log': Buffer.from('absolute\n'),
  'C:/drive.log': Buffer.from('drive\n'),
  'win\\dows.log': Buffer.from('backslash\n'),
  '&=+%?#"\u{1f600}\n.log': Buffer.from('odd\n'),
};
const LEADS_OUT = '../outside.log';
const ALL = ['--prefix', ''];

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [BUCKET, 'other'] });
  for (const [name, body] of Object.entries(BODIES)) sandbox.put(BUCKET, `raw/08/${name}`, body);
});
afterEach(() => {
  sandbox.hook = undefined;
  for (const prefix of ['back/', 'raw/in-place/'])
    for (const key of sandbox.keys(BUCKET, prefix)) sandbox.delete(BUCKET, key);
  for (const key of sandbox.keys('other')) sandbox.delete('other', key);
});
afterAll(async () => {
  await sandbox.close();
});

/** The objects under the prefix, by their names. */
function restored(bucket = BUCKET, prefix = PREFIX): Record<string, string> {
  return Object.fromEntries(
    sandbox
      .keys(bucket, prefix)
      .map((key) => [key.slice(prefix.length), sandbox.get(bucket, key)?.toString('latin1') ?? '']),
  );
}

const texts = (bodies: Record<string, Buffer>): Record<string, string> =>
  Object.fromEntries(Object.entries(bodies).map(([name, body]) => [name, body.toString('latin1')]));

/** Operations that write, and their keys without the prefix. */
const writes = (): string[] =>
  sandbox.requests
    .filter(({ operation }) => /Put|Upload/.test(operation))
    .map(({ operation, key = '' }) => `${operation} ${key.replace(PREFIX, '')}`);

describe.each(['keep', 'zstd'])('extract --to, of a rollup with the codec %s', (codec) => {
  const destination = `s3://${BUCKET}/rolled/${codec}/`;
  const bodies: Record<string, Buffer> =
    codec === 'keep' ? BODIES : { ...BODIES, 'app/b.log.gz': Buffer.from(lines(2_000, 'b')) };
  const extract = (...more: string[]) =>
    cli(sandbox, ['extract', destination, '--to', TO, '--json', ...more]);

  beforeAll(async () => {
    await json(sandbox, ['run', SOURCE, destination, '--codec', codec]);
  });
  beforeEach(() => {
    sandbox.clearRequests();
  });

  it('writes every object under its key behind the source prefix, with a checksum, and none where there is one', async () => {
    const { code, stdout, stderr } = await extract(...ALL, '--no-progress');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const bytes = Object.values(bodies).reduce((sum, { length }) => sum + length, 0);
    expect(parseObject(stdout)).toEqual({
      to: TO,
      objects: Object.keys(bodies).length,
      bytes,
      present: 0,
      refused: [],
      failed: [],
      missing: [],
    });
    expect(restored()).toEqual(texts(bodies));
    for (const { operation, headers } of sandbox.requests)
      if (operation === 'PutObject') {
        expect(headers['if-none-match']).toBe('*');
        expect(headers['x-amz-checksum-crc32']).toMatch(/=$/);
      }
  });

  it('has as many objects in work at once as it may, and no more', async () => {
    let [inFlight, most] = [0, 0];
    const four = Promise.withResolvers<undefined>();
    sandbox.hook = async ({ operation }) => {
      if (operation !== 'PutObject') return undefined;
      most = Math.max(most, ++inFlight);
      if (inFlight === 4) four.resolve(undefined);
      await four.promise;
      inFlight--;
      return undefined;
    };
    expect((await extract(...ALL, '--concurrency', '4')).code).toBe(0);
    expect(most).toBe(4);
    expect(restored()).toEqual(texts(bodies));
  });

  it('writes nothing again, and what is missing alone after a restore that was stopped', async () => {
    await extract(...ALL);
    sandbox.delete(BUCKET, `${PREFIX}app/c.log`);
    sandbox.delete(BUCKET, `${PREFIX}web/A.log`);
    sandbox.clearRequests();
    const { code, stdout } = await extract(...ALL);
    expect(code).toBe(0);
    expect(parseObject(stdout)).toMatchObject({ objects: 2, present: Object.keys(bodies).length - 2 });
    expect(writes().sort()).toEqual(['PutObject app/c.log', 'PutObject web/A.log']);
    expect(restored()).toEqual(texts(bodies));
  });

  it.each([
    ['another size', Buffer.from('somebody else’s\n')],
    ['the same size', Buffer.from(lines(3_000, 'z'))],
  ])('leaves an object of %s with other bytes, names it, and replaces it if asked to', async (_, other) => {
    sandbox.put(BUCKET, `${PREFIX}app/a.log`, other);
    const { code, stdout } = await extract('app/a.log', 'app/c.log');
    expect(code).toBe(1);
    expect(parseObject(stdout)).toMatchObject({
      objects: 1,
      refused: [{ key: 'raw/08/app/a.log', why: 'an object with other bytes has its key' }],
    });
    expect(sandbox.get(BUCKET, `${PREFIX}app/a.log`)?.equals(other)).toBe(true);
    const again = await extract('app/a.log', 'app/c.log', '--overwrite');
    expect(again.code).toBe(0);
    expect(parseObject(again.stdout)).toMatchObject({ objects: 1, present: 1, refused: [] });
    expect(restored()).toEqual({
      'app/a.log': BODIES['app/a.log']?.toString('latin1'),
      'app/c.log': BODIES['app/c.log']?.toString('latin1'),
    });
  });

  it('takes an object with the same bytes for the same, whatever its ETag', async () => {
    const body = bodies['app/b.log.gz'] ?? '';
    const headers = { 'x-amz-server-side-encryption': 'aws:kms' };
    sandbox.put(BUCKET, `${PREFIX}app/b.log.gz`, body, { headers });
    const { code, stdout } = await extract('app/b.log.gz');
    expect(code).toBe(0);
    expect(parseObject(stdout)).toMatchObject({ objects: 0, present: 1 });
    expect(writes()).toEqual([]);
  });

  it('never overwrites what somebody else writes at the same time', async () => {
    const theirs = 'theirs\n';
    sandbox.hook = ({ operation, key }) => {
      if (operation === 'PutObject' && key === `${PREFIX}app/a.log`) sandbox.put(BUCKET, key, theirs);
      return undefined;
    };
    const { code, stdout } = await extract('app/a.log', 'app/c.log');
    expect(code).toBe(1);
    expect(parseObject(stdout)).toMatchObject({ objects: 1, refused: [{ key: 'raw/08/app/a.log' }] });
    expect(sandbox.get(BUCKET, `${PREFIX}app/a.log`)?.toString()).toBe(theirs);
  });

  it('counts an object whose answer was lost as written', async () => {
    let lost = 0;
    sandbox.hook = ({ operation }) =>
      operation === 'PutObject' && lost++ === 0 ? { kind: 'reset-after' } : undefined;
    const { code, stdout } = await extract('app/a.log');
    expect(code).toBe(0);
    expect(parseObject(stdout)).toMatchObject({ objects: 1, refused: [], failed: [] });
  });

  it('names objects that fail by themselves and those that are not in the rollup, restores the others, and ends with 1', async () => {
    sandbox.hook = ({ operation, key = '' }) =>
      operation === 'PutObject' && key.includes('app/c')
        ? { kind: 'error', status: 400, code: 'XMinioInvalidObjectName' }
        : undefined;
    const { code, stdout } = await extract('nobody.log', '--prefix', 'app/');
    expect(code).toBe(1);
    expect(parseObject(stdout)).toMatchObject({
      objects: 2,
      failed: [{ key: 'raw/08/app/c.log', code: 'S3Error' }],
      missing: ['nobody.log'],
    });
    expect(Object.keys(restored())).toEqual(['app/a.log', 'app/b.log.gz']);
  });

  it('ends at once where every object would fail', async () => {
    sandbox.hook = ({ operation }) =>
      operation === 'PutObject' ? { kind: 'error', status: 403, code: 'AccessDenied' } : undefined;
    const { code, stdout, stderr } = await extract(...ALL, '--no-progress', '--concurrency', '1');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(parseObject(stderr)).toMatchObject({ error: { code: 'AccessDenied' } });
    expect(writes()).toHaveLength(1);
  });
});

it('extract --to writes no key with a .. segment, and names it', async () => {
  const destination = `s3://${BUCKET}/rolled/out/`;
  sandbox.put(BUCKET, `raw/out/${LEADS_OUT}`, 'outside\n');
  sandbox.put(BUCKET, 'raw/out/inside.log', 'inside\n');
  await json(sandbox, ['run', `s3://${BUCKET}/raw/out/`, destination]);
  const { code, stdout } = await cli(sandbox, ['extract', destination, '--to', TO, ...ALL]);
  expect(code).toBe(1);
  expect(stdout).toBe(
    `wrote 1 object, 7 bytes, under ${TO}\nnot written: raw/out/${LEADS_OUT}: it has a ".." segment\n`,
  );
  expect(restored()).toEqual({ 'inside.log': 'inside\n' });
});

it('extract --to names the objects of an output that is damaged, and restores the others', async () => {
  const destination = `s3://${BUCKET}/rolled/damaged/`;
  for (let i = 0; i < 4; i++) sandbox.put(BUCKET, `raw/damaged/${i % 2}/${i}.log`, lines(20_000, String(i)));
  const codec = ['--codec', 'gzip', '--group-by', '^(.)/'];
  await json(sandbox, ['run', `s3://${BUCKET}/raw/damaged/`, destination, ...codec]);
  const [output = ''] = sandbox.keys(BUCKET, 'rolled/damaged/0/');
  sandbox.hook = ({ operation, key }) =>
    operation === 'GetObject' && key === output ? { kind: 'corrupt', atByte: 60 } : undefined;
  const { code, stdout } = await cli(sandbox, ['extract', destination, '--to', TO, ...ALL, '--json']);
  expect(code).toBe(1);
  const { failed, ...result } = parseObject(stdout) as { failed: { key: string }[] };
  expect(result).toMatchObject({ objects: 2, refused: [], missing: [] });
  expect(failed.map(({ key }) => key)).toEqual(['raw/damaged/0/0.log', 'raw/damaged/0/2.log']);
  expect(Object.keys(restored())).toEqual(['1/1.log', '1/3.log']);
});

describe.each(['keep', 'gzip'])('extract --to, of an object of many parts, with the codec %s', (codec) => {
  const destination = `s3://${BUCKET}/rolled/large-${codec}/`;
  const body = Buffer.alloc(18 * 2 ** 20, lines(70_000, 'large'));
  beforeAll(async () => {
    sandbox.put(BUCKET, 'raw/large/large.log', body);
    sandbox.put(BUCKET, 'raw/large/small.log', lines(100));
    await json(sandbox, ['run', `s3://${BUCKET}/raw/large/`, destination, '--codec', codec]);
  });
  const extract = () => cli(sandbox, ['extract', destination, '--to', TO, ...ALL, '--json', '--no-progress']);

  it('uploads parts, and completes on the condition that there is none', async () => {
    sandbox.clearRequests();
    const { code, stdout } = await extract();
    expect(code).toBe(0);
    expect(parseObject(stdout)).toMatchObject({ objects: 2 });
    expect(sandbox.get(BUCKET, `${PREFIX}large.log`)?.equals(body)).toBe(true);
    expect(sandbox.requests.filter(({ operation }) => operation === 'UploadPart')).toHaveLength(3);
    const complete = sandbox.requests.find(({ operation }) => operation === 'CompleteMultipartUpload');
    expect(complete?.headers['if-none-match']).toBe('*');
    expect(complete?.headers['x-amz-checksum-crc32']).toMatch(/=$/);
    expect(parseObject((await extract()).stdout)).toMatchObject({ objects: 0, present: 2 });
  });

  it('leaves nothing behind of one that fails', async () => {
    sandbox.hook = ({ operation, partNumber }) =>
      operation === 'UploadPart' && partNumber === 2
        ? { kind: 'error', status: 400, code: 'InvalidRequest' }
        : undefined;
    const { code, stdout } = await extract();
    expect(code).toBe(1);
    expect(parseObject(stdout)).toMatchObject({ objects: 1, failed: [{ key: 'raw/large/large.log' }] });
    expect(Object.keys(restored())).toEqual(['small.log']);
    expect(sandbox.openUploads(BUCKET)).toEqual([]);
  });
});

it('extract --to that is stopped leaves no upload, and is continued by the next', async () => {
  const destination = `s3://${BUCKET}/rolled/stopped/`;
  for (let i = 0; i < 6; i++) sandbox.put(BUCKET, `raw/stopped/${i}.log`, lines(200, String(i)));
  await json(sandbox, ['run', `s3://${BUCKET}/raw/stopped/`, destination]);
  const args = ['extract', destination, '--to', TO, ...ALL, '--concurrency', '2'];
  const { child, ended } = start([...args, '--no-progress'], environment(sandbox.endpoint));
  let puts = 0;
  sandbox.hook = ({ operation }) => {
    if (operation !== 'PutObject' || ++puts < 3) return undefined;
    // A second signal would kill it.
    if (puts === 3) child.kill('SIGTERM');
    return { kind: 'hang' };
  };
  expect(await ended).toMatchObject({
    code: 143,
    stdout: '',
    stderr: 'error: Stopped by SIGTERM. What is restored stays: run again to go on from there. (Aborted)\n',
  });
  sandbox.hook = undefined;
  const { objects, present } = await json(sandbox, args);
  expect(Number(objects) + Number(present)).toBe(6);
  expect(present).toBeGreaterThan(0);
  expect(Object.keys(restored())).toHaveLength(6);
});

it('extract --to reaches S3 as the source is reached, and stores objects as its flags say, not the settings file', async () => {
  const destination = `s3://${BUCKET}/rolled/apart/`;
  const folder = mkdtempSync(join(tmpdir(), 's3-log-rollup-restore-'));
  const other = await startSandbox({ buckets: ['elsewhere'] });
  try {
    sandbox.put(BUCKET, 'raw/apart/a.log', 'a\n');
    await json(sandbox, ['run', `s3://${BUCKET}/raw/apart/`, destination]);
    const config = join(folder, 'settings.json');
    writeFileSync(config, JSON.stringify({ storageClass: 'GLACIER_IR', kmsKeyId: 'alias/outputs' }));
    await json(sandbox, [
      ...['extract', destination, '--to', 's3://elsewhere/{yyyy}/', '--hour', '2026-11-21T08', ...ALL],
      ...['--source-endpoint-url', other.endpoint, '--config', config, '--storage-class', 'STANDARD_IA'],
    ]);
    expect(other.get('elsewhere', '2026/a.log')?.toString()).toBe('a\n');
    const { storageClass, ...attributes } = other.attributes('elsewhere', '2026/a.log') ?? {};
    expect(storageClass).toBe('STANDARD_IA');
    expect(JSON.stringify(attributes)).not.toContain('outputs');
  } finally {
    rmSync(folder, { recursive: true });
    await other.close();
  }
});

it('extract --to gives back whole what header lines were left out of', async () => {
  const destination = `s3://${BUCKET}/rolled/csv/`;
  const csv = { '1.csv': 'id,name\n1,a\n', '2.csv': 'id,name\n2,b\n', '3.csv': 'id,name\n' };
  for (const [name, body] of Object.entries(csv)) sandbox.put(BUCKET, `raw/csv/${name}`, body);
  const headers = ['--codec', 'gzip', '--header-lines', '1'];
  await json(sandbox, ['run', `s3://${BUCKET}/raw/csv/`, destination, ...headers]);
  await json(sandbox, ['extract', destination, '--to', TO, ...ALL]);
  expect(restored()).toEqual(csv);
});

it('extract --to shows what is done of the whole', async () => {
  const { stderr } = await cli(sandbox, ['extract', `s3://${BUCKET}/rolled/keep/`, '--to', TO, ...ALL]);
  const [bytes = ''] = /done: 10 of 10 objects, [\d.]+ KiB of [\d.]+ KiB, \d+ MiB\/s\n$/.exec(stderr) ?? [];
  expect(bytes).not.toBe('');
});

describe('extract --to, into the prefix that is rolled up', () => {
  const from = `s3://${BUCKET}/raw/in-place/`;
  let destination: string;
  let count = 0;
  const put = (name: string, body: string | Buffer) => sandbox.put(BUCKET, `raw/in-place/${name}`, body);
  const outputs = () =>
    sandbox.keys(BUCKET, destination.replace(`s3://${BUCKET}/`, '')).filter((key) => key.includes('part-'));
  beforeEach(async () => {
    destination = `s3://${BUCKET}/rolled/in-place-${count++}/`;
    put('a.log', 'a\n');
    put('b.log', lines(4_000));
    await json(sandbox, ['run', from, destination]);
  });
  const restore = async () => {
    for (const key of sandbox.keys(BUCKET, 'raw/in-place/')) sandbox.delete(BUCKET, key);
    await json(sandbox, ['extract', destination, '--to', from, ...ALL]);
  };

  it('leaves the next run nothing to do where ETags are digests of the bytes', async () => {
    const before = outputs();
    await restore();
    expect(await json(sandbox, ['run', from, destination])).toMatchObject({
      status: 'unchanged',
      objects: 2,
    });
    expect(outputs()).toEqual(before);
    expect(await json(sandbox, ['verify', destination, '--deep'])).toMatchObject({
      status: 'ok',
      expired: 0,
    });
  });

  it('has the next run rebuild outputs, with the same bytes once, where ETags are others', async () => {
    // As a bucket with a KMS key does, or an object that was written in other parts.
    const body = sandbox.get(BUCKET, outputs()[0] ?? '');
    for (const key of sandbox.keys(BUCKET, 'raw/in-place/')) sandbox.delete(BUCKET, key);
    await json(sandbox, ['extract', destination, '--to', from, ...ALL, '--kms-key-id', 'alias/raw']);
    const verified = await cli(sandbox, ['verify', destination, '--json', '--no-progress']);
    expect(parseObject(verified.stdout)).toMatchObject({
      problems: [{ code: 'source-changed' }, { code: 'source-changed' }],
    });
    expect(await json(sandbox, ['run', from, destination])).toMatchObject({
      status: 'committed',
      objects: 2,
    });
    expect(outputs().map((key) => sandbox.get(BUCKET, key))).toEqual([body]);
    expect(await json(sandbox, ['verify', destination, '--deep'])).toMatchObject({ status: 'ok' });
  });

  it('has the next run take the text of a source that was decoded, in its place', async () => {
    put('c.log.gz', gzipSync('c\n'));
    const gzip = ['--codec', 'gzip', '--repack'];
    await json(sandbox, ['run', from, destination, ...gzip]);
    const text = () => outputs().map((key) => gunzipSync(sandbox.get(BUCKET, key) ?? '').toString());
    const before = text();
    await restore();
    expect(sandbox.get(BUCKET, 'raw/in-place/c.log.gz')?.toString()).toBe('c\n');
    const again = ['run', from, destination, '--codec', 'gzip'];
    expect(await json(sandbox, again)).toMatchObject({ status: 'committed', objects: 3 });
    expect(text()).toEqual(before);
    expect(await json(sandbox, again)).toMatchObject({ status: 'unchanged' });
    expect(await json(sandbox, ['verify', destination, '--deep'])).toMatchObject({ status: 'ok' });
  });

  it('is undone by a run that deletes sources', async () => {
    await restore();
    await json(sandbox, ['run', from, destination, '--delete-source']);
    expect(sandbox.keys(BUCKET, 'raw/in-place/')).toEqual([]);
    expect(await json(sandbox, ['verify', destination])).toMatchObject({
      status: 'ok',
      objects: 2,
      expired: 2,
    });
  });
});

it.each<[string, string[], RegExp]>([
  ['a place that is no URI', ['--to', 'back'], /--to "back" is not a location: it must look like s3:/],
  ['a placeholder without an hour', ['--to', 's3://logs/{yyyy}/'], /--to .* give --hour/],
  ['a place in the rollup', ['--to', `s3://${BUCKET}/rolled/keep/back/`], /would lie among its outputs/],
  ['a folder beside it', ['--to', TO, '--folder', 'x'], /--folder and --to are two places/],
  ['a file beside it', ['--to', TO, '--output', 'x'], /leave it out beside --to/],
  ['a URI as a folder', ['--folder', TO], /to write to S3, give --to s3:/],
  ['a URI as a file', ['--output', `${TO}a.log`], /to write to S3, give --to/],
  ['--overwrite without it', ['--folder', 'x', '--overwrite'], /--overwrite is for objects in S3/],
  ['a storage class without it', ['--storage-class', 'STANDARD_IA'], /--storage-class is for objects in S3/],
  ['an unknown storage class', ['--to', TO, '--storage-class', 'COLD'], /--storage-class must be STANDARD/],
])('extract refuses %s', async (_, more, message) => {
  const { code, stderr } = await cli(sandbox, ['extract', `s3://${BUCKET}/rolled/keep/`, 'a.log', ...more]);
  expect(stderr).toMatch(message);
  expect(code).toBe(2);
});
