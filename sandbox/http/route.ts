import { S3Error } from './s3-error.ts';

type Target = 'service' | 'bucket' | 'object';

interface Route {
  target: Target;
  method: string;
  /**
   * Query parameters that are required, and those that are allowed. Any other is an operation that is not implemented.
   */
  needs?: string[];
  takes?: string[];
  /** True for an operation that only the header x-amz-copy-source tells apart. */
  copy?: true;
}

const LIST = [
  'prefix',
  'delimiter',
  'max-keys',
  'continuation-token',
  'start-after',
  'encoding-type',
  'fetch-owner',
];
const UPLOADS = ['prefix', 'delimiter', 'max-uploads', 'key-marker', 'upload-id-marker', 'encoding-type'];

const ROUTES = {
  ListBuckets: { target: 'service', method: 'GET' },
  CreateBucket: { target: 'bucket', method: 'PUT' },
  HeadBucket: { target: 'bucket', method: 'HEAD' },
  DeleteBucket: { target: 'bucket', method: 'DELETE' },
  GetBucketLocation: { target: 'bucket', method: 'GET', needs: ['location'] },
  ListObjectsV2: { target: 'bucket', method: 'GET', needs: ['list-type'], takes: LIST },
  ListMultipartUploads: { target: 'bucket', method: 'GET', needs: ['uploads'], takes: UPLOADS },
  DeleteObjects: { target: 'bucket', method: 'POST', needs: ['delete'] },
  GetObject: { target: 'object', method: 'GET', takes: ['partNumber'] },
  HeadObject: { target: 'object', method: 'HEAD', takes: ['partNumber'] },
  PutObject: { target: 'object', method: 'PUT' },
  CopyObject: { target: 'object', method: 'PUT', copy: true },
  DeleteObject: { target: 'object', method: 'DELETE' },
  GetObjectTagging: { target: 'object', method: 'GET', needs: ['tagging'] },
  PutObjectTagging: { target: 'object', method: 'PUT', needs: ['tagging'] },
  DeleteObjectTagging: { target: 'object', method: 'DELETE', needs: ['tagging'] },
  CreateMultipartUpload: { target: 'object', method: 'POST', needs: ['uploads'] },
  UploadPart: { target: 'object', method: 'PUT', needs: ['partNumber', 'uploadId'] },
  UploadPartCopy: { target: 'object', method: 'PUT', needs: ['partNumber', 'uploadId'], copy: true },
  CompleteMultipartUpload: { target: 'object', method: 'POST', needs: ['uploadId'] },
  AbortMultipartUpload: { target: 'object', method: 'DELETE', needs: ['uploadId'] },
  ListParts: {
    target: 'object',
    method: 'GET',
    needs: ['uploadId'],
    takes: ['max-parts', 'part-number-marker', 'encoding-type'],
  },
} satisfies Record<string, Route>;

export type ServedOperation = keyof typeof ROUTES;

/** `Other` is an operation that is not implemented, or no S3 request at all. */
export type Operation = ServedOperation | 'Other';

export interface Address {
  bucket: string;
  key: string;
  query: URLSearchParams;
}

const LONGEST_KEY_BYTES = 1024;

/** Parses `/bucket/key?query`. The key is taken as it is: `..` and empty segments are part of it. */
export function parseAddress(url: string): Address {
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  const slash = path.indexOf('/', 1);
  const query = new URLSearchParams(question < 0 ? '' : url.slice(question + 1));
  return {
    bucket: decode(slash < 0 ? path.slice(1) : path.slice(1, slash)),
    key: slash < 0 ? '' : decode(path.slice(slash + 1)),
    query,
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new S3Error('InvalidURI', "Couldn't parse the specified URI.", { URI: part });
  }
}

/** The operation that a request asks for. The SDK adds `x-id`, which means nothing. */
export function matchOperation(method: string, { bucket, key, query }: Address, isCopy: boolean): Operation {
  const target: Target = bucket === '' ? 'service' : key === '' ? 'bucket' : 'object';
  const given = [...query.keys()].filter((name) => name !== 'x-id');
  for (const [operation, route] of Object.entries(ROUTES) as [ServedOperation, Route][]) {
    const { needs = [], takes = [], copy = false } = route;
    if (
      route.target === target &&
      route.method === method &&
      copy === isCopy &&
      needs.every((name) => given.includes(name)) &&
      given.every((name) => needs.includes(name) || takes.includes(name))
    ) {
      return operation;
    }
  }
  return 'Other';
}

/** The error for a request that matches no operation. */
export function refusal(method: string, { query }: Address): S3Error {
  if (['GET', 'HEAD', 'PUT', 'POST', 'DELETE'].includes(method) && query.size > 0) {
    return new S3Error(
      'NotImplemented',
      'A header or query you provided implies functionality that is not implemented.',
    );
  }
  return new S3Error('MethodNotAllowed', 'The specified method is not allowed against this resource.');
}

export function checkKey(key: string): void {
  const size = Buffer.byteLength(key);
  if (size > LONGEST_KEY_BYTES) {
    throw new S3Error('KeyTooLongError', 'Your key is too long', {
      Size: String(size),
      MaxSizeAllowed: String(LONGEST_KEY_BYTES),
    });
  }
}
