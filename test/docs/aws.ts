import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

/*
 * A stand-in for the few commands of `aws s3` that the guides have: rm, with and without --recursive, and cp of a folder.
 * Everything else fails. A listing is one page: it is for small hours.
 */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { recursive: { type: 'boolean', default: false }, quiet: { type: 'boolean', default: false } },
});
const [service, verb, ...places] = positionals;
if (service !== 's3') throw new Error(`aws ${String(service)} has no stand-in.`);
const s3 = new S3Client({ forcePathStyle: true });

function split(uri = ''): { Bucket: string; key: string } {
  const [, Bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(uri) ?? [];
  if (Bucket === undefined || key === undefined) throw new Error(`Not a location in S3: ${uri}`);
  return { Bucket, key };
}

async function remove(uri: string | undefined): Promise<void> {
  const { Bucket, key } = split(uri);
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: key }));
  const keys = values.recursive ? Contents.map(({ Key = '' }) => Key) : [key];
  for (const Key of keys) await s3.send(new DeleteObjectCommand({ Bucket, Key }));
}

async function upload(folder = '', uri: string | undefined): Promise<void> {
  if (!values.recursive) throw new Error('aws s3 cp has a stand-in for folders alone.');
  const { Bucket, key } = split(uri);
  for (const name of globSync('**', { cwd: folder })) {
    const file = join(folder, name);
    if (statSync(file).isFile())
      await s3.send(new PutObjectCommand({ Bucket, Key: key + name, Body: readFileSync(file) }));
  }
}

if (verb === 'rm') await remove(places[0]);
else if (verb === 'cp') await upload(places[0], places[1]);
else throw new Error(`aws s3 ${String(verb)} has no stand-in.`);
