import { setTimeout as delay } from 'node:timers/promises';
import { DefaultRateLimiter } from '@smithy/core/retry';
import { isCut } from './network.ts';
import type { Timeouts } from './timeouts.ts';
import type { ResponseMetadata, RetryErrorInfo, RetryStrategyV2, StandardRetryToken } from '@smithy/types';

/** Attempts of one request, the first included: a connection that is refused five times is no transient fault. */
const TRANSIENT_ATTEMPTS = 5;
const TRANSIENT_DELAY_MS = 100;
/** S3 answers SlowDown until it has split a prefix, which is worth a minute of waiting: as many attempts as fit in. */
const THROTTLED_DELAY_MS = 500;
/** The longest wait between two attempts to reach a store that went away. */
const OUTAGE_DELAY_MS = 2_000;
/** HTTP statuses by which a proxy, or a store that begins, says that the store is not there. */
const UNAVAILABLE = new Set([502, 503, 504]);
const LONGEST_DELAY_MS = 20_000;
/** S3's names for a signature that is too old or too new. */
const CLOCK_IS_OFF = new Set(['RequestTimeTooSkewed', 'RequestExpired']);

/** The least requests a second. S3 throttles a prefix at thousands: the SDK's floor of one in two seconds only delays a run. */
const LEAST_RATE = 5;

/**
 * Milliseconds to wait: a random part of a delay that doubles with every attempt, so that requests that failed together are
 * not repeated together.
 */
export function backoff(firstMs: number, attempt: number): number {
  return Math.random() * Math.min(LONGEST_DELAY_MS, firstMs * 2 ** attempt);
}

/** State of one request between its attempts. */
interface PacedToken extends StandardRetryToken {
  /** Time by `performance.now()` after which it is not repeated. */
  giveUpAt: number;
  /** Attempts that failed for another reason than an outage. */
  failures: number;
  /** Time after which it is not repeated if the store is not to be reached. */
  outageEndsAt: number;
}

/**
 * The retry strategy of a client: without the SDK's quota of retries, which a run of 30,000 requests would use up, and with
 * its adaptive rate limiter, by which one request that S3 throttles slows all of them down.
 */
export class PacedRetryStrategy implements RetryStrategyV2 {
  readonly mode = 'adaptive';
  readonly #limiter = new DefaultRateLimiter({ minFillRate: LEAST_RATE, minCapacity: LEAST_RATE });
  readonly #budgetMs: number;
  readonly #outageMs: number;
  /** True once the store has answered: from then on it may be away for a while, and is not at a wrong address. */
  #answered = false;

  /**
   * @param timeouts milliseconds after its first failure in which a request is repeated (`retries`), and in which it is where
   *   the store went away (`outage`). Waits for a turn do not count.
   */
  constructor({ retries, outage }: Pick<Timeouts, 'retries' | 'outage'>) {
    this.#budgetMs = retries;
    this.#outageMs = outage;
  }

  /** Waits until a request may be sent. There is no wait until S3 throttles. */
  turn(): Promise<void> {
    return this.#limiter.getSendToken();
  }

  /** Records that S3 throttled a request. */
  throttled(): void {
    this.#limiter.updateClientSendingRate({ errorType: 'THROTTLING' });
  }

  /** Records a request that S3 answered. */
  succeeded(): void {
    this.#answered = true;
    this.#limiter.updateClientSendingRate({});
  }

  async acquireInitialRetryToken(): Promise<PacedToken> {
    await this.turn();
    return tokenOf(0, { giveUpAt: Infinity, failures: 0, outageEndsAt: Infinity });
  }

  async refreshRetryTokenForRetry(token: PacedToken, info: RetryErrorInfo): Promise<PacedToken> {
    this.#limiter.updateClientSendingRate(info);
    const { isOutage, isThrottle } = this.#judge(info);
    const attempts = token.getRetryCount() + 1;
    const failures = token.failures + (isOutage ? 0 : 1);
    const now = performance.now();
    const giveUpAt = isOutage ? token.giveUpAt : Math.min(token.giveUpAt, now + this.#budgetMs);
    const outageEndsAt = isOutage ? Math.min(token.outageEndsAt, now + this.#outageMs) : Infinity;
    const isWorthIt =
      isOutage ||
      isThrottle ||
      (info.errorType === 'TRANSIENT' && failures < TRANSIENT_ATTEMPTS && !isFinal(info));
    const pauseMs = isOutage
      ? Math.min(OUTAGE_DELAY_MS, backoff(TRANSIENT_DELAY_MS, attempts))
      : backoff(isThrottle ? THROTTLED_DELAY_MS : TRANSIENT_DELAY_MS, attempts);
    const until = isOutage ? outageEndsAt : giveUpAt;
    // The last attempt is made when time is up, and not a long wait before.
    const waitMs = isThrottle || isOutage ? Math.min(pauseMs, until - now) : pauseMs;
    // The SDK catches this and throws the failure of the request.
    if (!isWorthIt || now >= until || now + waitMs > until) throw new Error('No retry token available');
    await delay(waitMs);
    const asked = performance.now();
    await this.turn();
    const turnMs = performance.now() - asked;
    return tokenOf(attempts, {
      giveUpAt: giveUpAt + turnMs,
      failures,
      outageEndsAt: outageEndsAt + turnMs,
    });
  }

  #judge({ error, errorType }: RetryErrorInfo): { isOutage: boolean; isThrottle: boolean } {
    const status = statusOf(error);
    if (status !== undefined) this.#answered ||= !UNAVAILABLE.has(status);
    const isThrottle = errorType === 'THROTTLING';
    const isAway = isCut(error) || (errorType === 'TRANSIENT' && UNAVAILABLE.has(status ?? 0));
    return { isThrottle, isOutage: this.#outageMs > 0 && this.#answered && !isThrottle && isAway };
  }

  recordSuccess(): void {
    this.succeeded();
  }
}

interface Answered extends ResponseMetadata {
  /** Not among the SDK's types. */
  clockSkewCorrected?: boolean;
}

/**
 * True for a refusal that a retry cannot change. On a machine whose clock is off by minutes the SDK blames the clock for every
 * refusal, also for that of an object that does not exist, and would repeat it.
 */
function isFinal({ error }: RetryErrorInfo): boolean {
  if (!(error instanceof Error) || CLOCK_IS_OFF.has(error.name) || !('$metadata' in error)) return false;
  const { httpStatusCode: status = 0, clockSkewCorrected } = error.$metadata as Answered;
  return clockSkewCorrected === true && status >= 400 && status < 500;
}

/** The HTTP status of an answer; undefined where there was none. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  return (error.$metadata as ResponseMetadata).httpStatusCode;
}

function tokenOf(
  retries: number,
  state: Pick<PacedToken, 'giveUpAt' | 'failures' | 'outageEndsAt'>,
): PacedToken {
  return { getRetryCount: () => retries, getRetryCost: () => undefined, getRetryDelay: () => 0, ...state };
}
