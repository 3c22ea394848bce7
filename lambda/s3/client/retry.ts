import { setTimeout as delay } from 'node:timers/promises';
import { DefaultRateLimiter } from '@smithy/core/retry';
import type { ResponseMetadata, RetryErrorInfo, RetryStrategyV2, StandardRetryToken } from '@smithy/types';

/** Attempts of one request, the first included: a connection that is refused five times is no transient fault. */
const TRANSIENT_ATTEMPTS = 5;
const TRANSIENT_DELAY_MS = 100;
/** Attempts of a throttled request: S3 answers SlowDown until it has split a prefix, which is worth a minute of waiting. */
const THROTTLED_ATTEMPTS = 9;
const THROTTLED_DELAY_MS = 500;
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
}

/**
 * The retry strategy of a client: without the SDK's quota of retries, which a run of 30,000 requests would use up, and with
 * its adaptive rate limiter, by which one request that S3 throttles slows all of them down.
 */
export class PacedRetryStrategy implements RetryStrategyV2 {
  readonly mode = 'adaptive';
  readonly #limiter = new DefaultRateLimiter({ minFillRate: LEAST_RATE, minCapacity: LEAST_RATE });
  readonly #budgetMs: number;

  /** @param budgetMs milliseconds after its first failure in which a request is repeated. Waits for a turn do not count. */
  constructor(budgetMs: number) {
    this.#budgetMs = budgetMs;
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
    this.#limiter.updateClientSendingRate({});
  }

  async acquireInitialRetryToken(): Promise<PacedToken> {
    await this.turn();
    return tokenOf(0, Infinity);
  }

  async refreshRetryTokenForRetry(token: PacedToken, info: RetryErrorInfo): Promise<PacedToken> {
    this.#limiter.updateClientSendingRate(info);
    const throttled = info.errorType === 'THROTTLING';
    const attempts = token.getRetryCount() + 1;
    const worth = throttled
      ? attempts < THROTTLED_ATTEMPTS
      : info.errorType === 'TRANSIENT' && attempts < TRANSIENT_ATTEMPTS && !isFinal(info);
    const giveUpAt = Math.min(token.giveUpAt, performance.now() + this.#budgetMs);
    const pauseMs = backoff(throttled ? THROTTLED_DELAY_MS : TRANSIENT_DELAY_MS, attempts);
    // The SDK catches this and throws the failure of the request.
    if (!worth || performance.now() + pauseMs > giveUpAt) throw new Error('No retry token available');
    await delay(pauseMs);
    const asked = performance.now();
    await this.turn();
    return tokenOf(attempts, giveUpAt + performance.now() - asked);
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

function tokenOf(retries: number, giveUpAt: number): PacedToken {
  return { getRetryCount: () => retries, getRetryCost: () => undefined, getRetryDelay: () => 0, giveUpAt };
}
