import type { Agent } from 'node:http';
import type { Readable } from 'node:stream';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getEndpointFromInstructions } from '@smithy/core/endpoints';
import { HttpRequest, extendedEncodeURIComponent } from '@smithy/core/protocols';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Checksum } from '../../rollup/model/checksum/checksum.ts';
import type { ReadFrom } from '../../rollup/model/store.ts';
import { CHECKSUM_MODE, parseChecksum } from '../checksums.ts';
import { formatRange, quoteEtag } from '../conditions.ts';
import { getInto } from '../transport/get-into.ts';
import { formatRequest } from '../transport/request-head.ts';
import type { ResponseHead } from '../transport/response-head.ts';
import type { RequestCounter } from './request-counter.ts';
import type { CappedRequestHandler } from './request-handler.ts';
import type { PacedRetryStrategy } from './retry.ts';
import { Sha256 } from './sha256.ts';
import type { Timeouts } from './timeouts.ts';

/** SHA-256 of no bytes, in hex: the payload of a GET. */
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** HTTP statuses of throttling. The SDK's GET that follows then waits for its turn, like all other requests. */
const THROTTLED = new Set([429, 503]);

/** HTTP statuses of a refusal that the next request of the same kind would meet too: region, signature, permission. */
const REFUSED = new Set([301, 307, 400, 401, 403]);
/** Refusals in a row, of one bucket, after which its GETs are left to the SDK. */
const MOST_REFUSALS = 3;
/** Responses in a row, of one bucket, that are not strictly HTTP/1.1, after which its GETs are left to Node's HTTP client. */
const MOST_ODD = 3;
/** S3 names the region of a bucket that it was not asked in: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html */
const BUCKET_REGION = 'x-amz-bucket-region';

/** A response to a GET whose body is not read yet. */
export interface OpenedObject {
  body: Readable;
  /** Bytes of the body; NaN where the response does not say. */
  length: number;
  /** The checksum that S3 has of the object; undefined for a range, of which it has none. */
  stated: Checksum | undefined;
  contentEncoding: string | undefined;
}

/** A body that was read to its place. */
export interface Landed extends Omit<OpenedObject, 'body' | 'length'> {
  /** CRC-32 of its bytes; 0 where it was not computed, because S3 stated a checksum that is trusted, or another one. */
  crc32: number;
}

/** The parts that every request to one endpoint goes through. */
export interface RequestPath {
  client: S3Client;
  /** The request handler of `client`, which has the capped agent. */
  handler: CappedRequestHandler;
  counter: RequestCounter;
  /** The retry strategy of `client`, which slows requests down where S3 throttles. */
  pace: PacedRetryStrategy;
  timeouts: Timeouts;
  /** Headers of every request, besides those of the client. */
  headers: Readonly<Record<string, string>>;
}

/** Address and signer of a bucket. */
interface Target {
  url: URL;
  signer: SignatureV4;
}

/**
 * Sends a GET without the SDK's middleware, which takes four fifths of the client's CPU time on one: it is signed here, and
 * sent over a connection that the client's own agent lends, or by the client's own request handler. Credentials, endpoint
 * rules and agent are the client's.
 */
export class DirectGet {
  readonly #client: S3Client;
  readonly #handler: CappedRequestHandler;
  readonly #counter: RequestCounter;
  readonly #pace: PacedRetryStrategy;
  readonly #timeouts: Timeouts;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #targets = new Map<string, Promise<Target | undefined>>();
  /** Refusals in a row, by bucket. */
  readonly #refusals = new Map<string, number>();
  /** Odd responses in a row, by bucket. */
  readonly #odd = new Map<string, number>();
  /** Regions that S3 named, by bucket. */
  readonly #regions = new Map<string, string>();

  constructor({ client, handler, counter, pace, timeouts, headers }: RequestPath) {
    this.#headers = headers;
    this.#client = client;
    this.#handler = handler;
    this.#counter = counter;
    this.#pace = pace;
    this.#timeouts = timeouts;
  }

  /** True if the client's agent lends connections to the host of a bucket, so that `read` may be called. */
  async lends(bucket: string): Promise<boolean> {
    const target = await this.#targetOf(bucket);
    return target !== undefined && this.#lender(bucket, target.url) !== undefined;
  }

  /**
   * Requests an object that still has its ETag, by the client's request handler.
   *
   * @returns undefined for any response but the expected one, and for a failed connection: the caller then sends the SDK's
   * GET, which handles errors and retries
   * @throws what the signal was aborted with
   */
  async get(from: ReadFrom, signal: AbortSignal): Promise<OpenedObject | undefined> {
    const target = await this.#targetOf(from.bucket);
    if (target === undefined) return undefined;
    await this.#pace.turn();
    try {
      const signed = await this.#sign(from, target);
      this.#counter.count('GetObject', 1);
      const { response } = await this.#handler.handle(signed, { abortSignal: signal });
      const body = response.body as Readable;
      const head = { status: response.statusCode, headers: response.headers };
      if (head.status === expectedStatus(from)) {
        this.#succeeded(from.bucket);
        return { body, length: Number(response.headers['content-length'] ?? NaN), ...described(head) };
      }
      this.#learn(from.bucket, head);
      // An error document is short: once it is read to its end, the connection can be used again.
      body.resume();
    } catch (error) {
      if (signal.aborted) throw error;
    }
    this.#counter.countRetry();
    return undefined;
  }

  /**
   * Reads an object that still has its ETag into a buffer of just the length that is read, over a connection that the
   * client's agent lends. A checksum that S3 has of the object is `trusted` where that is true: then none is computed.
   *
   * @returns the length of the object where it has another; undefined for any response but the expected one, and for a failed
   * connection: the caller then sends the SDK's GET
   * @throws RollupError `ShortBody`, `BodyStalled`; what the signal was aborted with
   */
  async read(
    from: ReadFrom,
    { into, trusted }: { into: Buffer; trusted: boolean },
    signal: AbortSignal,
  ): Promise<Landed | { length: number } | undefined> {
    const { bucket, key } = from;
    const target = await this.#targetOf(bucket);
    const agent = target && this.#lender(bucket, target.url);
    if (target === undefined || agent === undefined) return undefined;
    const { url } = target;
    await this.#pace.turn();
    // No request comes of credentials that are not there, nor of characters that no request can have: the SDK says so.
    const signed = await this.#sign(from, target).catch(() => undefined);
    const request = signed && formatRequest(signed);
    if (request === undefined) return undefined;
    const host = { name: hostname(url), port: portOf(url), header: url.host };
    const isSummed = (head: ResponseHead): boolean => {
      const { stated } = described(head);
      return stated === undefined || (!trusted && stated.algorithm === 'crc32');
    };
    const get = { host, request, status: expectedStatus(from), into, key, isSummed } as const;
    for (let wasKept = true; wasKept;) {
      this.#counter.count('GetObject', 1);
      const got = await getInto(agent, get, this.#timeouts, signal);
      switch (got.is) {
        case 'read':
          this.#succeeded(bucket);
          this.#odd.delete(bucket);
          return { crc32: got.crc32, ...described(got.head) };
        case 'length':
          this.#succeeded(bucket);
          return got;
        case 'other':
          this.#learn(bucket, got.head);
          break;
        case 'odd':
          this.#odd.set(bucket, (this.#odd.get(bucket) ?? 0) + 1);
          break;
        case 'unanswered':
          this.#handler.failed(got.error);
      }
      this.#counter.countRetry();
      // A connection that ended while nobody used it says nothing about the store.
      wasKept = got.is === 'unanswered' && got.wasKept;
    }
    return undefined;
  }

  /** The agent that lends connections to a bucket; undefined where the bucket is left to Node's HTTP client. */
  #lender(bucket: string, url: URL): Agent | undefined {
    return (this.#odd.get(bucket) ?? 0) < MOST_ODD ? this.#handler.lender(url.protocol) : undefined;
  }

  async #sign({ key, etag, range }: ReadFrom, { url, signer }: Target): Promise<HttpRequest> {
    const request = new HttpRequest({
      method: 'GET',
      protocol: url.protocol,
      hostname: url.hostname,
      ...(url.port === '' ? {} : { port: Number(url.port) }),
      path: `${url.pathname.replace(/\/$/, '')}/${key.split('/').map(extendedEncodeURIComponent).join('/')}`,
      headers: {
        host: url.host,
        'if-match': quoteEtag(etag),
        'x-amz-content-sha256': EMPTY_SHA256,
        ...this.#headers,
        ...(range === undefined ? CHECKSUM_MODE : { range: formatRange(range) }),
      },
    });
    const signingDate = new Date(Date.now() + this.#client.config.systemClockOffset);
    return HttpRequest.clone(await signer.sign(request, { signingDate }));
  }

  #succeeded(bucket: string): void {
    this.#pace.succeeded();
    this.#refusals.delete(bucket);
  }

  /** Learns from a response of another status than the expected one. */
  #learn(bucket: string, { status, headers }: ResponseHead): void {
    if (THROTTLED.has(status)) this.#pace.throttled();
    if (REFUSED.has(status)) this.#refused(bucket, headers[BUCKET_REGION]);
  }

  /** Learns from a refusal: the bucket's region where S3 names it, and otherwise to leave the bucket to the SDK. */
  #refused(bucket: string, region: string | undefined): void {
    if (region !== undefined && region !== this.#regions.get(bucket)) {
      this.#regions.set(bucket, region);
      this.#targets.delete(bucket);
      return;
    }
    const refusals = (this.#refusals.get(bucket) ?? 0) + 1;
    this.#refusals.set(bucket, refusals);
    if (refusals >= MOST_REFUSALS) this.#targets.set(bucket, Promise.resolve(undefined));
  }

  #targetOf(bucket: string): Promise<Target | undefined> {
    const known = this.#targets.get(bucket);
    if (known !== undefined) return known;
    const target = this.#resolve(bucket);
    this.#targets.set(bucket, target);
    return target;
  }

  /** Undefined for buckets that need another signature than SigV4 (multi-region access points, S3 Express), and on failure. */
  async #resolve(bucket: string): Promise<Target | undefined> {
    const { config } = this.#client;
    const region = this.#regions.get(bucket);
    try {
      const endpoint = await getEndpointFromInstructions({ Bucket: bucket, Key: 'key' }, GetObjectCommand, {
        ...config,
        ...(region === undefined ? {} : { region: () => Promise.resolve(region) }),
      });
      const [scheme] = endpoint.properties?.authSchemes ?? [];
      if (scheme?.name !== 'sigv4' || scheme.signingName !== 's3') return undefined;
      const signer = new SignatureV4({
        credentials: config.credentials,
        region: scheme.signingRegion,
        service: 's3',
        sha256: Sha256,
        uriEscapePath: false,
      });
      return { url: endpoint.url, signer };
    } catch {
      return undefined;
    }
  }
}

function expectedStatus({ range }: ReadFrom): 200 | 206 {
  return range === undefined ? 200 : 206;
}

/** What the headers of a response say of the object. */
function described({ headers }: Pick<ResponseHead, 'headers'>): Omit<Landed, 'crc32'> {
  const stated = parseChecksum({
    ChecksumCRC32: headers['x-amz-checksum-crc32'],
    ChecksumCRC64NVME: headers['x-amz-checksum-crc64nvme'],
  });
  return { stated, contentEncoding: headers['content-encoding'] };
}

/** The name or address to connect to: of an IPv6 address a URL has the brackets too. */
function hostname({ hostname: name }: URL): string {
  return name.replace(/^\[(.*)\]$/, '$1');
}

function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port);
  return protocol === 'https:' ? 443 : 80;
}
