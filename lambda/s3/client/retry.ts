import { setTimeout as delay } from 'node:timers/promises';
import { DefaultRateLimiter } from '@smithy/core/retry';
import type { ResponseMetadata, RetryErrorInfo, RetryStrategyV2, StandardRetryToken } from '@smithy/types';

/** Sends of one request, the first included. A connection that is refused five times is no passing fault. */
const TRANSIENT_ATTEMPTS = 5;
const TRANSIENT_DELAY_MS = 100;
/** S3 answers SlowDown for as long as it takes to split a prefix; a minute of it is worth waiting for. */
const THROTTLED_ATTEMPTS = 9;
const THROTTLED_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20_000;
/** What S3 calls a signature that is too old or too new. */
const CLOCK_IS_OFF = new Set(['RequestTimeTooSkewed', 'RequestExpired']);

/** Requests a second. S3 throttles a prefix at thousands: the SDK's floor of one in two seconds only makes a run late. */
const LEAST_RATE = 5;

/** A random part of a delay that doubles with every attempt: those that failed together do not return together. */
export function backoff(firstMs: number, attempt: number): number {
  return Math.random() * Math.min(LONGEST_DELAY_MS, firstMs * 2 ** attempt);
}

/** What is known of a request that failed: how often, and when it is given up. */
interface PacedToken extends StandardRetryToken {
  giveUpAt: number;
}

/**
 * Retries without the SDK's quota of them, which a run of 30,000 requests would use up, but with its adaptive rate
 * limiter: one request that is told to slow down slows all of them.
 */
export class PacedRetryStrategy implements RetryStrategyV2 {
  readonly mode = 'adaptive';
  readonly #limiter = new DefaultRateLimiter({ minFillRate: LEAST_RATE, minCapacity: LEAST_RATE });
  readonly #budgetMs: number;

  /** `budgetMs`: how long after its first failure a request is still repeated. Waits for a turn do not count. */
  constructor(budgetMs: number) {
    this.#budgetMs = budgetMs;
  }

  /** Waits for a turn. Until S3 throttles there is no wait. */
  turn(): Promise<void> {
    return this.#limiter.getSendToken();
  }

  /** S3 said to slow down. */
  throttled(): void {
    this.#limiter.updateClientSendingRate({ errorType: 'THROTTLING' });
  }

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
    // The SDK then throws what the request failed with.
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
 * On a machine whose clock is off by minutes the SDK takes every refusal for one that the clock is to blame for, an
 * object that is not there too, and would repeat it.
 */
function isFinal({ error }: RetryErrorInfo): boolean {
  if (!(error instanceof Error) || CLOCK_IS_OFF.has(error.name) || !('$metadata' in error)) return false;
  const { httpStatusCode: status = 0, clockSkewCorrected } = error.$metadata as Answered;
  return clockSkewCorrected === true && status >= 400 && status < 500;
}

function tokenOf(retries: number, giveUpAt: number): PacedToken {
  return { getRetryCount: () => retries, getRetryCost: () => undefined, getRetryDelay: () => 0, giveUpAt };
}
