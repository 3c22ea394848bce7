import type { IncomingHttpHeaders } from 'node:http';
import type { Operation } from './http/route.ts';

/** A request as a hook and the log see it, before it is executed. */
export interface SandboxRequest {
  /** Number of the request, from 1, in the order of arrival. */
  id: number;
  operation: Operation;
  bucket?: string;
  key?: string;
  /** Prefix of a listing. */
  prefix?: string;
  partNumber?: number;
  uploadId?: string;
  range?: string;
  headers: IncomingHttpHeaders;
}

/** A fault that a hook can inject. Bytes are counted in the response body. */
export type Fault =
  /** The request waits, then goes on normally. */
  | { kind: 'delay'; ms: number }
  /** Refused with S3's XML; not executed. */
  | { kind: 'error'; status: number; code: string; message?: string; headers?: Record<string, string> }
  /** The socket is destroyed before any response header; not executed. */
  | { kind: 'reset' }
  /** Executed, then the socket is destroyed before any response header. */
  | { kind: 'reset-after' }
  /** Never answered; not executed. */
  | { kind: 'hang' }
  /** The body ends early, by RST or by a clean FIN, under the full Content-Length. */
  | { kind: 'cut'; afterBytes: number; how: 'reset' | 'close' }
  /** The body stops for ever. */
  | { kind: 'stall'; afterBytes: number }
  /** Executed, and answered without a Content-Length. */
  | { kind: 'unannounced' }
  /** One byte of the body is flipped; length and headers are right. */
  | { kind: 'corrupt'; atByte: number }
  /**
   * For DeleteObjects: keys for which `code` returns a code are refused with it in S3's XML; the others are deleted.
   */
  | { kind: 'refuse-keys'; code: (key: string) => string | undefined }
  /**
   * Executed without its conditions, as stores do that ignore them: `If-Match`, `If-None-Match`, ETags of DeleteObjects; or
   * without one of the headers.
   */
  | { kind: 'ignore-conditions'; only?: 'if-match' | 'if-none-match' }
  /** For PutObject and UploadPart: whatever bytes come are stored, with their own checksum. */
  | { kind: 'ignore-checksums' }
  /** For listings: `encoding-type` is ignored and not named in the answer, as versitygw does. */
  | { kind: 'keys-as-they-are' }
  /**
   * For PutObject, CopyObject and CompleteMultipartUpload: 200 without a checksum, and no object, as versitygw answers to a
   * completion that is repeated after a restart.
   */
  | { kind: 'unkept' }
  /** 200 with an Error document, as CompleteMultipartUpload, CopyObject and DeleteObjects can answer; not executed. */
  | { kind: 'error-in-body'; code: string };

/** Returns the fault for a request, or undefined for none. A promise holds the request until it resolves. */
export type Hook = (request: SandboxRequest) => Fault | undefined | Promise<Fault | undefined>;
