import type { Readable } from 'node:stream';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getEndpointFromInstructions } from '@smithy/core/endpoints';
import { HttpRequest, extendedEncodeURIComponent } from '@smithy/core/protocols';
import type { NodeHttpHandler } from '@smithy/node-http-handler';
import { SignatureV4 } from '@smithy/signature-v4';
import type { ReadFrom } from '../../rollup/model/store.ts';
import { CHECKSUM_MODE, type Checksums, parseChecksums } from '../checksums.ts';
import { formatRange, quoteEtag } from '../conditions.ts';
import type { RequestCounter } from './request-counter.ts';
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
/** S3 names the region of a bucket that it was not asked in: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html */
const BUCKET_REGION = 'x-amz-bucket-region';

/** A response to a GET whose body is not read yet. */
export interface OpenedObject {
  body: Readable;
  /** Bytes of the body; NaN where the response does not say. */
  length: number;
  /** Both undefined for a range: S3 has checksums of whole objects alone. */
  checksums: Checksums;
  contentEncoding: string | undefined;
}

/** The parts that every request to one endpoint goes through. */
export interface RequestPath {
  client: S3Client;
  /** The request handler of `client`, which has the capped agent. */
  handler: NodeHttpHandler;
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
 * Sends a GET without the SDK's middleware, which takes four fifths of the client's CPU time on one: it is signed here and
 * given to the client's own request handler. Credentials, endpoint rules and agent are the client's.
 */
export class DirectGet {
  readonly #client: S3Client;
  readonly #handler: NodeHttpHandler;
  readonly #counter: RequestCounter;
  readonly #pace: PacedRetryStrategy;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #targets = new Map<string, Promise<Target | undefined>>();
  /** Refusals in a row, by bucket. */
  readonly #refusals = new Map<string, number>();
  /** Regions that S3 named, by bucket. */
  readonly #regions = new Map<string, string>();

  constructor({ client, handler, counter, pace, headers }: RequestPath) {
    this.#headers = headers;
    this.#client = client;
    this.#handler = handler;
    this.#counter = counter;
    this.#pace = pace;
  }

  /**
   * Requests an object that still has its ETag.
   *
   * @returns undefined for any response but the expected one, and for a failed connection: the caller then sends the SDK's
   * GET, which handles errors and retries
   * @throws what the signal was aborted with
   */
  async get({ bucket, key, etag, range }: ReadFrom, signal: AbortSignal): Promise<OpenedObject | undefined> {
    const target = await this.#targetOf(bucket);
    if (target === undefined) return undefined;
    const { url, signer } = target;
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
    await this.#pace.turn();
    try {
      const signingDate = new Date(Date.now() + this.#client.config.systemClockOffset);
      const signed = HttpRequest.clone(await signer.sign(request, { signingDate }));
      this.#counter.count('GetObject', 1);
      const { response } = await this.#handler.handle(signed, { abortSignal: signal });
      const body = response.body as Readable;
      if (response.statusCode === (range === undefined ? 200 : 206)) {
        this.#pace.succeeded();
        this.#refusals.delete(bucket);
        const {
          'content-length': length,
          'content-encoding': contentEncoding,
          ...headers
        } = response.headers;
        const checksums = parseChecksums(
          headers['x-amz-checksum-crc32'],
          headers['x-amz-checksum-crc64nvme'],
        );
        return { body, length: Number(length ?? NaN), checksums, contentEncoding };
      }
      if (THROTTLED.has(response.statusCode)) this.#pace.throttled();
      if (REFUSED.has(response.statusCode)) this.#refused(bucket, response.headers[BUCKET_REGION]);
      // An error document is short: once it is read to its end, the connection can be used again.
      body.resume();
    } catch (error) {
      if (signal.aborted) throw error;
    }
    this.#counter.countRetry();
    return undefined;
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
