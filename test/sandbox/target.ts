import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { startSandbox } from '../../sandbox/sandbox.ts';

/** Where the contract is checked: a sandbox of its own, or whatever S3_TEST_ENDPOINT names. */
export interface Target {
  client: S3Client;
  bucket: string;
  /** A prefix that nothing else has. */
  prefix: () => string;
  close: () => Promise<void>;
}

export async function openTarget(): Promise<Target> {
  const endpoint = process.env['S3_TEST_ENDPOINT'];
  const run = `contract-${randomUUID()}/`;
  let count = 0;
  const prefix = () => `${run}${String(++count).padStart(4, '0')}/`;
  if (endpoint === undefined) {
    const sandbox = await startSandbox({ buckets: ['contract'] });
    const client = createClient(sandbox.endpoint);
    return {
      client,
      bucket: 'contract',
      prefix,
      close: async () => {
        client.destroy();
        await sandbox.close();
      },
    };
  }
  const client = new S3Client({
    endpoint,
    forcePathStyle: true,
    region: process.env['AWS_REGION'] ?? 'us-east-1',
  });
  const given = process.env['S3_TEST_BUCKET'];
  const bucket = given ?? `contract-${randomUUID()}`;
  if (given === undefined) await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    client,
    bucket,
    prefix,
    close: async () => {
      await empty(client, bucket, run);
      if (given === undefined) await client.send(new DeleteBucketCommand({ Bucket: bucket }));
      client.destroy();
    },
  };
}

/** A client that never tries twice, with credentials that only a sandbox without its own accepts. */
export function createClient(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
}

async function empty(client: S3Client, bucket: string, prefix: string): Promise<void> {
  for await (const { Contents = [] } of paginateListObjectsV2(
    { client },
    { Bucket: bucket, Prefix: prefix },
  )) {
    for (const { Key } of Contents) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
  }
  const { Uploads = [] } = await client.send(
    new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }),
  );
  for (const { Key, UploadId } of Uploads) {
    await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
  }
}

export interface Refusal {
  code: string;
  status: number | undefined;
}

/** How a request was refused; one that was not fails the test. */
export async function refusal(sent: Promise<unknown>): Promise<Refusal> {
  const outcome = await sent.then(
    () => 'accepted',
    (error: unknown) => error,
  );
  if (outcome instanceof S3ServiceException) {
    return { code: outcome.name, status: outcome.$metadata.httpStatusCode };
  }
  throw new Error(`not refused by S3: ${String(outcome)}`, { cause: outcome });
}
