import type { Requests } from '../../lambda/s3/connection.ts';

export type RequestClass = Exclude<keyof Requests, 'retries'>;

/**
 * Prices of 1,000 requests in US dollars: S3 Standard in us-east-1, November 2026.
 * https://aws.amazon.com/s3/pricing/ (HEAD is priced as GET; each request of a multipart upload as PUT).
 */
export const PRICES: {
  of: string;
  per1000: Record<RequestClass, number>;
  /** A month of storage of 10⁹ bytes. */
  storedGBMonth: number;
} = {
  of: 'S3 Standard in us-east-1, 2026-11',
  per1000: { list: 0.005, get: 0.0004, put: 0.005, copy: 0.005, delete: 0 },
  storedGBMonth: 0.023,
};

export const REQUEST_CLASSES = Object.keys(PRICES.per1000) as RequestClass[];

export function costOf(requestClass: RequestClass, requests: Pick<Requests, RequestClass>): number {
  return (requests[requestClass] * PRICES.per1000[requestClass]) / 1000;
}

export function totalCost(requests: Pick<Requests, RequestClass>): number {
  return REQUEST_CLASSES.reduce((sum, requestClass) => sum + costOf(requestClass, requests), 0);
}
