import { type KeyObject, createHash, createHmac, createSecretKey } from 'node:crypto';
import type { Checksum, SourceData } from '@smithy/types';

/** The methods that a hash and an HMAC share. */
interface Digest {
  update(data: Uint8Array): unknown;
  digest(): Buffer;
}

/** Keys that are kept: those of the credentials and the signing key of the day, of both endpoints. */
const MOST_KEYS = 8;
const keys = new Map<SourceData, KeyObject>();

/**
 * SHA-256, and its HMAC where there is a secret, for the SDK's signer. The keys of secrets are kept: Node takes seven times
 * as long for an HMAC with the bytes of a secret.
 */
export class Sha256 implements Checksum {
  #hash: Digest;
  readonly #secret: SourceData | undefined;

  constructor(secret?: SourceData) {
    this.#secret = secret;
    this.#hash = begin(secret);
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }

  reset(): void {
    this.#hash = begin(this.#secret);
  }
}

function begin(secret: SourceData | undefined): Digest {
  return secret === undefined ? createHash('sha256') : createHmac('sha256', keyOf(secret));
}

function keyOf(secret: SourceData): KeyObject {
  const known = keys.get(secret);
  if (known !== undefined) return known;
  if (keys.size === MOST_KEYS) keys.clear();
  const key = createSecretKey(
    typeof secret === 'string' ? Buffer.from(secret) : Buffer.from(bytesOf(secret)),
  );
  keys.set(secret, key);
  return key;
}

function bytesOf(data: Exclude<SourceData, string>): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
