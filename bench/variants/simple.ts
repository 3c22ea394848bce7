import { GetObjectCommand, S3Client, paginateListObjectsV2 } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import pLimit from 'p-limit';
import { groupsOf, outputName, type Job, type Listed } from './variant.ts';

/** The obvious program: it uses the SDK as its examples do, with its defaults. */
export async function simple({ bucket, source, destination, settings }: Job): Promise<void> {
  const client = new S3Client({ forcePathStyle: true });
  const limit = pLimit(settings.concurrency);

  async function download(key: string): Promise<Uint8Array> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return (await Body?.transformToByteArray()) ?? new Uint8Array();
  }

  const listed: Listed[] = [];
  for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: source })) {
    for (const { Key = '', Size = 0 } of page.Contents ?? []) listed.push({ key: Key, size: Size });
  }
  await Promise.all(
    groupsOf(listed, settings.targetSize).map(async (group, index) => {
      const bodies = await Promise.all(group.map(({ key }) => limit(() => download(key))));
      const params = { Bucket: bucket, Key: destination + outputName(index), Body: Buffer.concat(bodies) };
      await new Upload({ client, params }).done();
    }),
  );
  client.destroy();
}
