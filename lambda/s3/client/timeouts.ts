/** The longest waits for S3, in milliseconds. */
export interface Timeouts {
  /** Until a connection is open. */
  connect: number;
  /**
   * Until response headers, of requests that S3 answers at once. Listings and deletes have six times as long, uploads more by
   * their size; parts and copies have longer ones of their own.
   */
  headers: number;
  /** The longest wait for response headers, whatever the request is. */
  longest: number;
  /** Between two chunks of a body: a body that sends nothing for this long has stalled. */
  bodyIdle: number;
  /** From the first failure of a request to its last retry, without the waits by which throttling slows the whole run. */
  retries: number;
  /** From the first refused or reset connection of a request to its last retry, once S3 has answered one. */
  outage: number;
}

/** The defaults, for S3 itself. */
export const TIMEOUTS: Timeouts = {
  connect: 5_000,
  headers: 5_000,
  longest: Infinity,
  bodyIdle: 10_000,
  retries: 60_000,
  outage: 60_000,
};

/** How many times the wait for headers a request has that takes S3 longer: a listing, a delete of many, an upload. */
export const SLOW_FACTOR = 6;

/** The slowest upload that is waited for, in bytes a millisecond (1 Mbit/s): what is uploaded is sent before the headers come. */
export const SLOWEST_UPLOAD = 128;

/** Milliseconds for the completion of an upload, and the least for one of its parts. */
export const PART_MS = 120_000;

/** Milliseconds for a request that uploads a part of so many bytes: its response headers come after the last of them was sent. */
export function partMs(bytes: number): number {
  return Math.max(PART_MS, Math.ceil(bytes / SLOWEST_UPLOAD));
}
