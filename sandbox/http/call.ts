import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { Content } from '../storage/content.ts';
import type { Received, Sink } from './receive-body.ts';
import type { Address, ServedOperation } from './route.ts';
import { S3Error } from './s3-error.ts';
import type { ObjectTable } from '../storage/object-table.ts';
import { parseXml } from './xml.ts';

/** One request, as its operation gets it. */
export interface Call extends Address {
  operation: ServedOperation;
  headers: IncomingHttpHeaders;
  table: ObjectTable;
  now: () => number;
  /** Set by a fault: returns the code with which a key of DeleteObjects is refused. */
  refuses?: ((key: string) => string | undefined) | undefined;
  /** Set by a fault: the ETags of DeleteObjects count for nothing. */
  ignoresConditions?: boolean;
  /** Reads the request's body. Throws unless it is whole and has the length and checksums that the client announced. */
  receive: (sink: Sink) => Promise<Received>;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: Buffer | StoredBody;
}

/** A body of stored bytes. The operation has retained the content; whoever sends or drops the reply releases it. */
export interface StoredBody {
  content: Content;
  length: number;
}

export type Handler = (call: Call) => Reply | Promise<Reply>;

/** A header as one string. */
export function header(call: Pick<Call, 'headers'>, name: string): string | undefined {
  const value = call.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

export function xmlReply(body: Buffer, headers: Record<string, string> = {}): Reply {
  return { status: 200, headers: { 'content-type': 'application/xml', ...headers }, body };
}

/** A whole number from the query, within its bounds. */
export function parseCount(call: Call, name: string, fallback: number, largest: number, least = 0): number {
  const text = call.query.get(name);
  if (text === null || text === '') return fallback;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > 0x7fffffff) {
    throw new S3Error('InvalidArgument', `Provided ${name} not an integer or within integer range`, {
      ArgumentName: name,
      ArgumentValue: text,
    });
  }
  return Math.min(value, largest);
}

const LARGEST_DOCUMENT = 2 * 1024 * 1024;

/** Reads the body as an XML document of this shape. */
export async function receiveDocument<T>(call: Call, shape: z.ZodType<T>): Promise<T> {
  const chunks: Buffer[] = [];
  let size = 0;
  await call.receive((bytes) => {
    size += bytes.length;
    if (size > LARGEST_DOCUMENT) throw malformedXml(`${size} bytes`);
    chunks.push(bytes);
  });
  if (size === 0) throw new S3Error('MissingRequestBodyError', 'Request Body is empty');
  try {
    return shape.parse(parseXml(Buffer.concat(chunks)));
  } catch (error) {
    throw malformedXml(error);
  }
}

function malformedXml(cause: unknown): S3Error {
  const error = new S3Error(
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
  );
  error.cause = cause;
  return error;
}
