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

/** The store under test: a sandbox of its own, or the endpoint that S3_TEST_ENDPOINT names. */
export interface Target {
  client: S3Client;
  bucket: string;
  /** A new prefix that no other test uses. */
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

/** A client without retries, with credentials that only a sandbox without credentials accepts. */
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

/** Code and status with which a request was refused. Fails the test if it was not. */
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
