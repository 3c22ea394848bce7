import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  S3Client,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import { Command } from '@commander-js/extra-typings';
import { CHECKS, type Verdict } from './store-checks.ts';

const {
  endpoint,
  name,
  json,
  bucket: given,
} = new Command('stores')
  .description(
    'Tries out what a store keeps of the contract that the product relies on, with the credentials of the environment.',
  )
  .requiredOption('--endpoint <url>', 'the store')
  .option('--name <text>', 'name and version of the store, for the heading', 'the store')
  .option('--bucket <name>', 'write there, under a prefix of its own; otherwise into a new bucket')
  .option('--json <file>', 'write the result as JSON, too')
  .parse()
  .opts();

process.env['AWS_REGION'] ??= 'us-east-1';
const client = new S3Client({
  endpoint,
  region: process.env['AWS_REGION'],
  forcePathStyle: true,
  maxAttempts: 3,
});
const bucket = given ?? `stores-${randomUUID().slice(0, 8)}`;
const root = `checks-${randomUUID().slice(0, 8)}/`;
if (given === undefined) await client.send(new CreateBucketCommand({ Bucket: bucket }));

const results: { feature: string; verdict: Verdict; note: string; otherwise: string }[] = [];
for (const [i, { feature, otherwise, run }] of CHECKS.entries()) {
  const at = { client, endpoint, bucket, prefix: `${root}${String(i).padStart(2, '0')}/` };
  const found = await run(at).catch((error: unknown): [Verdict, string] => [
    'refused',
    error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 80) : String(error),
  ]);
  const [verdict, note = ''] = typeof found === 'string' ? [found] : found;
  results.push({ feature, verdict, note, otherwise });
}
await tidyUp();

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
console.log(`| feature | ${name} | what to do |\n| --- | --- | --- |`);
for (const { feature, verdict, note, otherwise } of results) {
  const said = note === '' ? verdict : `${verdict}: ${note}`;
  console.log(`| ${cell(feature)} | ${cell(said)} | ${verdict === 'works' ? '' : cell(otherwise)} |`);
}
if (json !== undefined) writeFileSync(json, `${JSON.stringify({ name, endpoint, results }, null, 2)}\n`);
process.exitCode = results.some(({ verdict }) => verdict === 'unsafe') ? 1 : 0;

async function tidyUp(): Promise<void> {
  const pages = paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: root, EncodingType: 'url' });
  for await (const { Contents = [], EncodingType } of pages) {
    const deletes = Contents.map(({ Key = '' }) => {
      const key = EncodingType === 'url' ? decodeURIComponent(Key.replaceAll('+', ' ')) : Key;
      return client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    });
    await Promise.allSettled(deletes);
  }
  const { Uploads = [] } = await client.send(
    new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: root }),
  );
  for (const { Key, UploadId } of Uploads)
    await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
  if (given === undefined)
    await client.send(new DeleteBucketCommand({ Bucket: bucket })).catch(() => undefined);
  client.destroy();
}
