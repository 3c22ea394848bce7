import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  CompleteMultipartUploadCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  CopyObjectCommand,
} from '@aws-sdk/client-s3';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { send } from './raw.ts';
import { createClient } from './target.ts';

let folder: string;
let sandbox: Sandbox;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandbox-test-'));
  sandbox = await startSandbox({ folder, buckets: ['b'] });
});
afterEach(async () => {
  await sandbox.close();
  rmSync(folder, { recursive: true });
});

async function restart(): Promise<void> {
  await sandbox.close();
  sandbox = await startSandbox({ folder, buckets: ['b'] });
}

/** Files that hold bodies. */
function bodies(): string[] {
  return readdirSync(join(folder, 'data'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
}

it('a folder keeps objects with their attributes', async () => {
  const client = createClient(sandbox.endpoint);
  const Key = '../\u{1f600} \n/x';
  await client.send(
    new PutObjectCommand({
      Bucket: 'b',
      Key,
      Body: 'hello',
      Metadata: { m: '1' },
      ContentType: 'a/b',
      Tagging: 't=1',
    }),
  );
  sandbox.put('b', 'direct', 'direct', {
    storageClass: 'GLACIER',
    lastModified: new Date('2026-01-02T03:04:05.678Z'),
  });
  sandbox.put('b', 'empty', '');
  sandbox.put('b', 'gone', 'gone');
  sandbox.delete('b', 'gone');
  sandbox.age('b', Key, 3_600_000);
  const before = sandbox.keys('b').map((key) => ({ key, ...sandbox.head('b', key) }));
  const head = await client.send(new HeadObjectCommand({ Bucket: 'b', Key, ChecksumMode: 'ENABLED' }));
  await restart();

  expect(sandbox.keys('b').map((key) => ({ key, ...sandbox.head('b', key) }))).toEqual(before);
  expect(sandbox.head('b', 'direct')?.lastModified).toEqual(new Date('2026-01-02T03:04:05Z'));
  const again = createClient(sandbox.endpoint);
  const kept = await again.send(new HeadObjectCommand({ Bucket: 'b', Key, ChecksumMode: 'ENABLED' }));
  expect({ ...kept, $metadata: undefined }).toEqual({ ...head, $metadata: undefined });
  const reply = await again.send(new GetObjectCommand({ Bucket: 'b', Key }));
  expect(await reply.Body?.transformToString()).toBe('hello');
  expect(sandbox.get('b', 'empty')).toEqual(Buffer.alloc(0));
});

it('a folder keeps open uploads', async () => {
  const upload = { Bucket: 'b', Key: 'm', ...(await begin()) };
  const first = Buffer.alloc(5 * 1024 * 1024, 'first');
  await createClient(sandbox.endpoint).send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: first }));
  await restart();
  const client = createClient(sandbox.endpoint);
  await client.send(new UploadPartCommand({ ...upload, PartNumber: 2, Body: 'last' }));
  const { Parts = [] } = await client.send(new ListPartsCommand(upload));
  await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
  await restart();
  expect(sandbox.get('b', 'm')?.equals(Buffer.concat([first, Buffer.from('last')]))).toBe(true);
  expect(sandbox.openUploads('b')).toEqual([]);
});

async function begin(): Promise<{ UploadId: string }> {
  const client = createClient(sandbox.endpoint);
  const { UploadId = '' } = await client.send(new CreateMultipartUploadCommand({ Bucket: 'b', Key: 'm' }));
  return { UploadId };
}

it('a folder keeps no file that no object or part uses', async () => {
  const client = createClient(sandbox.endpoint);
  await client.send(new PutObjectCommand({ Bucket: 'b', Key: 'x', Body: 'one' }));
  await client.send(new PutObjectCommand({ Bucket: 'b', Key: 'x', Body: 'two' }));
  expect(bodies()).toHaveLength(1);
  await client.send(new CopyObjectCommand({ Bucket: 'b', Key: 'y', CopySource: 'b/x' }));
  sandbox.delete('b', 'x');
  expect(sandbox.get('b', 'y')?.toString()).toBe('two');
  sandbox.delete('b', 'y');
  expect(bodies()).toEqual([]);

  const refused = { headers: { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }, body: 'x' };
  expect((await send(sandbox.endpoint, 'PUT', '/b/x', refused)).code).toBe('BadDigest');
  sandbox.put('b', 'there', 'there');
  const conditional = { headers: { 'if-none-match': '*' }, body: 'x' };
  expect((await send(sandbox.endpoint, 'PUT', '/b/there', conditional)).code).toBe('PreconditionFailed');
  expect(bodies()).toHaveLength(1);
});

it('a folder is read again after a crash', async () => {
  sandbox.put('b', 'x', 'hello');
  await sandbox.close();
  writeFileSync(join(folder, 'data', 'ab', 'ab-half-a-body'), 'half');
  appendFileSync(join(folder, 'index.jsonl'), '{"type":"object-put","bucket":"b","obj');
  sandbox = await startSandbox({ folder });
  expect(sandbox.keys('b')).toEqual(['x']);
  expect(sandbox.get('b', 'x')?.toString()).toBe('hello');
  expect(bodies()).toHaveLength(1);
  sandbox.put('b', 'y', 'again');
  await restart();
  expect(sandbox.keys('b')).toEqual(['x', 'y']);
});
