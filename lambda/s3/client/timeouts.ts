/** The longest waits for S3, in milliseconds. */
export interface Timeouts {
  /** Until a connection is open. */
  connect: number;
  /** Until response headers. Requests that upload a part or copy have longer ones of their own. */
  headers: number;
  /** Between two chunks of a body: a body that sends nothing for this long has stalled. */
  bodyIdle: number;
  /** From the first failure of a request to its last retry, without the waits by which throttling slows the whole run. */
  retries: number;
}

/** The defaults, for S3 itself. */
export const TIMEOUTS: Timeouts = { connect: 5_000, headers: 5_000, bodyIdle: 10_000, retries: 60_000 };

/** Milliseconds for a request that uploads a part: its response headers come only after the last byte was sent. */
export const PART_MS = 120_000;
