import { xmlReply, type Call, type Reply } from '../http/call.ts';
import { S3Error } from '../http/s3-error.ts';
import { branch, leaf, result } from '../http/xml.ts';
import { formatTime } from './list-objects.ts';

export const REGION = 'us-east-1';

export function createBucket({ store, bucket, now }: Call): Reply {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new S3Error('InvalidBucketName', 'The specified bucket is not valid.', { BucketName: bucket });
  }
  if (store.buckets.has(bucket)) {
    throw new S3Error(
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
      { BucketName: bucket },
    );
  }
  store.commit({ type: 'bucket-created', bucket, at: now() });
  return { status: 200, headers: { location: `/${bucket}` } };
}

export function headBucket({ store, bucket }: Call): Reply {
  store.bucket(bucket);
  return { status: 200, headers: { 'x-amz-bucket-region': REGION } };
}

export function deleteBucket({ store, bucket }: Call): Reply {
  // Uploads that are still open do not count, and go with the bucket.
  if (store.bucket(bucket).objects.size > 0) {
    throw new S3Error('BucketNotEmpty', 'The bucket you tried to delete is not empty', {
      BucketName: bucket,
    });
  }
  store.commit({ type: 'bucket-deleted', bucket });
  return { status: 204 };
}

/** Empty stands for us-east-1. */
export function getBucketLocation({ store, bucket }: Call): Reply {
  store.bucket(bucket);
  return xmlReply(result('LocationConstraint'));
}

export function listBuckets({ store }: Call): Reply {
  const buckets = [...store.buckets.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
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
