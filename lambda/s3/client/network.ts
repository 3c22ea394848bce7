/**
 * Node's codes of connections that could not be made or were cut, which pass when a store or a network comes back. The code of
 * a request whose connection is closed before an answer ("socket hang up") is ECONNRESET.
 */
const CUT = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'EAI_AGAIN',
]);

/** True of an error of a connection that was refused or cut. */
export function isCut(error: unknown): boolean {
  return CUT.has(nodeCode(error));
}

/** Node's code of an error. A refused connection to a name with several addresses is an `AggregateError` of errors that have it. */
export function nodeCode(error: unknown): string {
  if (error instanceof AggregateError) return nodeCode(error.errors[0]);
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
