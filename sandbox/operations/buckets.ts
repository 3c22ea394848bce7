import { xmlReply, type Call, type Reply } from '../http/call.ts';
import { S3Error } from '../http/s3-error.ts';
import { branch, leaf, result } from '../http/xml.ts';
import { formatTime } from './list-objects.ts';

export const REGION = 'us-east-1';

export function createBucket({ table, bucket, now }: Call): Reply {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new S3Error('InvalidBucketName', 'The specified bucket is not valid.', { BucketName: bucket });
  }
  if (table.buckets.has(bucket)) {
    throw new S3Error(
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
      { BucketName: bucket },
    );
  }
  table.commit({ type: 'bucket-created', bucket, at: now() });
  return { status: 200, headers: { location: `/${bucket}` } };
}

export function headBucket({ table, bucket }: Call): Reply {
  table.bucket(bucket);
  return { status: 200, headers: { 'x-amz-bucket-region': REGION } };
}

export function deleteBucket({ table, bucket }: Call): Reply {
  // Open uploads do not keep a bucket from being deleted, and are deleted with it.
  if (table.bucket(bucket).objects.size > 0) {
    throw new S3Error('BucketNotEmpty', 'The bucket you tried to delete is not empty', {
      BucketName: bucket,
    });
  }
  table.commit({ type: 'bucket-deleted', bucket });
  return { status: 204 };
}

/** Answers with an empty location, which means us-east-1. */
export function getBucketLocation({ table, bucket }: Call): Reply {
  table.bucket(bucket);
  return xmlReply(result('LocationConstraint'));
}

export function listBuckets({ table }: Call): Reply {
  const buckets = [...table.buckets.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return xmlReply(
    result(
      'ListAllMyBucketsResult',
      branch('Owner', leaf('ID', 'sandbox')),
      branch(
        'Buckets',
        ...buckets.map(({ name, created }) =>
          branch('Bucket', leaf('Name', name), leaf('CreationDate', formatTime(created))),
        ),
      ),
    ),
  );
}
