import type { IncomingHttpHeaders } from 'node:http';
import { S3Error } from './http/s3-error.ts';
import type { StoredObject } from './storage/object-table.ts';

/**
 * Checks the conditions of a write against the existing object. It is called in the same turn of the event loop as the
 * commit, so that nothing comes between them.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export function checkWrite(
  headers: IncomingHttpHeaders,
  key: string,
  existing: StoredObject | undefined,
): void {
  const noneMatch = headers['if-none-match'];
  const match = headers['if-match'];
  if (noneMatch !== undefined) {
    if (noneMatch !== '*') {
      throw new S3Error(
        'NotImplemented',
        'A header you provided implies functionality that is not implemented.',
        {
          Header: 'If-None-Match',
        },
      );
    }
    if (existing) throw failed('If-None-Match');
  }
  if (match !== undefined) {
    if (!existing) throw new S3Error('NoSuchKey', 'The specified key does not exist.', { Key: key });
    if (!matches(match, existing)) throw failed('If-Match');
  }
}

/**
 * Checks the condition of a delete that names an ETag. Throws if the object has another one or does not exist.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
 */
export function checkDelete(
  match: string | undefined,
  key: string,
  existing: StoredObject | undefined,
): void {
  if (match === undefined) return;
  if (!existing) throw new S3Error('NoSuchKey', 'The specified key does not exist.', { Key: key });
  if (!matches(match, existing)) throw failed('If-Match');
}

/**
 * Checks the conditions of a read, by RFC 9110 13.2.2: where a condition on the ETag is given, that on the date is
 * ignored.
 */
export function checkRead(headers: IncomingHttpHeaders, object: StoredObject): void {
  const verdict = judge(
    {
      match: headers['if-match'],
      noneMatch: headers['if-none-match'],
      modifiedSince: headers['if-modified-since'],
      unmodifiedSince: headers['if-unmodified-since'],
    },
    object,
  );
  if (verdict.failed) throw failed(verdict.failed);
  if (verdict.unchanged) throw new S3Error('NotModified', 'Not Modified');
}

/** Checks the same conditions on the source of a copy, which has no answer "not modified": it fails instead. */
export function checkCopySource(headers: IncomingHttpHeaders, object: StoredObject): void {
  const named = (name: string) => {
    const value = headers[`x-amz-copy-source-${name}`];
    return value === undefined ? undefined : String(value);
  };
  const verdict = judge(
    {
      match: named('if-match'),
      noneMatch: named('if-none-match'),
      modifiedSince: named('if-modified-since'),
      unmodifiedSince: named('if-unmodified-since'),
    },
    object,
  );
  const condition = verdict.failed ?? verdict.unchanged;
  if (condition) throw failed(`x-amz-copy-source-${condition}`);
}

interface Conditions {
  match: string | undefined;
  noneMatch: string | undefined;
  modifiedSince: string | undefined;
  unmodifiedSince: string | undefined;
}

function judge(
  { match, noneMatch, modifiedSince, unmodifiedSince }: Conditions,
  object: StoredObject,
): { failed?: string; unchanged?: string } {
  const modified = Math.floor(object.lastModified / 1000) * 1000;
  if (match !== undefined) {
    if (!matches(match, object)) return { failed: 'If-Match' };
  } else if (unmodifiedSince !== undefined && modified > Date.parse(unmodifiedSince)) {
    return { failed: 'If-Unmodified-Since' };
  }
  if (noneMatch !== undefined) {
    if (matches(noneMatch, object)) return { unchanged: 'If-None-Match' };
  } else if (modifiedSince !== undefined && modified <= Date.parse(modifiedSince)) {
    return { unchanged: 'If-Modified-Since' };
  }
  return {};
}

function matches(condition: string, { etag }: StoredObject): boolean {
  return condition.split(',').some((part) => {
    const value = part.trim();
    return value === '*' || value.replace(/^"|"$/g, '') === etag;
  });
}

function failed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
    Condition: condition,
  });
}
