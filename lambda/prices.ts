/**
 * Prices in US dollars, us-east-1, November 2026: the only ones that the program knows. No imports and no logic, so that
 * `lib/` may import it.
 * https://aws.amazon.com/s3/pricing/ (HEAD is priced as GET; each request of a multipart upload as PUT).
 * https://aws.amazon.com/lambda/pricing/
 */
export const PRICES = {
  of: 'S3 Standard in us-east-1, 2026-11',
  /** 1,000 requests of S3. */
  per1000: { list: 0.005, get: 0.0004, put: 0.005, copy: 0.005, delete: 0 },
  /** A month of storage of 10⁹ bytes. */
  storedGBMonth: 0.023,
  /** A second of a function on ARM that has 1,024 MB. */
  lambdaGBSecond: 0.0000133334,
} as const;
