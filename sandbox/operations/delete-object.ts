import { z } from 'zod';
import { header, receiveDocument, xmlReply, type Call, type Reply } from '../http/call.ts';
import { checkDelete } from '../conditions.ts';
import { checkKey } from '../http/route.ts';
import { S3Error } from '../http/s3-error.ts';
import { branch, leaf, result } from '../http/xml.ts';

/** DeleteObject. The status is 204, also if there was no object. */
export function deleteObject(call: Call): Reply {
  remove(call, call.key, header(call, 'if-match'));
  return { status: 204 };
}

function remove({ table, bucket }: Call, key: string, match: string | undefined): void {
  checkKey(key);
  const existing = table.bucket(bucket).objects.get(key);
  checkDelete(match, key, existing);
  if (existing) table.commit({ type: 'object-deleted', bucket, key });
}

const MOST_KEYS = 1000;

const Batch = z.object({
  Delete: z.object({
    Object: z
      .array(
        z.object({
          Key: z.string().min(1),
          ETag: z.string().optional(),
          VersionId: z.undefined().optional(),
        }),
      )
      .max(MOST_KEYS),
    Quiet: z.enum(['true', 'false']).default('false'),
  }),
});

export async function deleteObjects(call: Call): Promise<Reply> {
  call.table.bucket(call.bucket);
  const hasDigest = Object.keys(call.headers).some(
    (name) => name === 'content-md5' || name.startsWith('x-amz-checksum-'),
  );
  if (!hasDigest && header(call, 'x-amz-trailer') === undefined) {
    throw new S3Error(
      'InvalidRequest',
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    );
  }
  const { Object: objects, Quiet: quiet } = (await receiveDocument(call, Batch)).Delete;
  const outcomes = objects.map(({ Key: key, ETag: match }) => {
    const refused = call.refuses?.(key);
    if (refused !== undefined)
      return branch('Error', leaf('Key', key), leaf('Code', refused), leaf('Message', refused));
    try {
      remove(call, key, call.ignoresConditions ? undefined : match);
      return quiet === 'true' ? '' : branch('Deleted', leaf('Key', key));
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      return branch('Error', leaf('Key', key), leaf('Code', error.code), leaf('Message', error.message));
    }
  });
  return xmlReply(result('DeleteResult', ...outcomes));
}
