/** How long S3 is waited for, in milliseconds. */
export interface Timeouts {
  /** For a connection. */
  connect: number;
  /** For response headers. Requests that send or copy much are given longer. */
  headers: number;
  /** For the next bytes of a body: one that sends nothing for this long has stalled. */
  bodyIdle: number;
  /** From the first failure of a request to its last repetition, but for waits that slow the whole run. */
  retries: number;
}

export const TIMEOUTS: Timeouts = { connect: 5_000, headers: 5_000, bodyIdle: 10_000, retries: 60_000 };

/** A part, sent and answered. Its headers come only after its last byte has gone out. */
export const PART_MS = 120_000;
