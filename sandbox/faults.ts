import type { IncomingHttpHeaders } from 'node:http';
import type { Operation } from './http/route.ts';

/** A request as a hook and the log see it, before anything of it was done. */
export interface SandboxRequest {
  /** Counts from 1 in the order of arrival. */
  id: number;
  operation: Operation;
  bucket?: string;
  key?: string;
  /** Of a listing. */
  prefix?: string;
  partNumber?: number;
  uploadId?: string;
  range?: string;
  headers: IncomingHttpHeaders;
}

/** What a hook can make of a request. Bytes are counted in the response body. */
export type Fault =
  /** Waits, then goes on normally. */
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
  /** One byte of the body is flipped; length and headers are right. */
  | { kind: 'corrupt'; atByte: number }
  /** Of DeleteObjects: executed, but for the keys that are given a code, each refused in S3's XML. */
  | { kind: 'refuse-keys'; code: (key: string) => string | undefined }
  /** 200 with an Error document, as CompleteMultipartUpload, CopyObject and DeleteObjects can answer; not executed. */
  | { kind: 'error-in-body'; code: string };

/** Decides over a request. It may await: a promise that resolves to undefined holds the request until then. */
export type Hook = (request: SandboxRequest) => Fault | undefined | Promise<Fault | undefined>;
