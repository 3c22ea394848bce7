import { FIRST_BYTES } from '../../lambda/rollup/model/format.ts';
import { DELETE_PROOF_NAME } from '../../lambda/rollup/model/store.ts';
import type { Fault, Hook, Operation, SandboxRequest } from '../../sandbox/sandbox.ts';

type Matcher = (request: SandboxRequest) => boolean;

/** Requests of these operations, for keys under a prefix; no samples of formats. */
export function matching(operations: Operation | Operation[], prefix = ''): Matcher {
  const wanted = [operations].flat();
  return (request) => {
    const { operation, key = '' } = request;
    return wanted.includes(operation) && key.startsWith(prefix) && !isSample(request) && !isTrial(request);
  };
}

/** True of a GET of the first bytes of a source, by which a run tells its format before it plans it. */
export function isSample({ operation, range = '', key = '' }: SandboxRequest): boolean {
  const last = /^bytes=0-(\d+)$/.exec(range)?.[1];
  const isOurs = /\/(_|part-)/.test(key);
  return operation === 'GetObject' && last !== undefined && Number(last) < FIRST_BYTES && !isOurs;
}

/** True of a request by which a run tries out what its store does. */
export function isTrial({ key = '' }: SandboxRequest): boolean {
  return key.includes(DELETE_PROOF_NAME);
}

/** A fault for the n-th matching request alone, counted from 1. */
export function onNth(n: number, matches: Matcher, fault: Fault): Hook {
  let seen = 0;
  return (request) => (matches(request) && ++seen === n ? fault : undefined);
}

/** A fault for the n-th matching request and all behind it. */
export function fromNth(n: number, matches: Matcher, fault: Fault): Hook {
  let seen = 0;
  return (request) => (matches(request) && ++seen >= n ? fault : undefined);
}

/** Runs an action before the n-th matching request is looked at. */
export function beforeNth(n: number, matches: Matcher, action: () => unknown): Hook {
  let seen = 0;
  return async (request) => {
    if (matches(request) && ++seen === n) await action();
    return undefined;
  };
}

export const REFUSED: Fault = { kind: 'error', status: 403, code: 'AccessDenied' };
export const LOST_ANSWER: Fault = { kind: 'reset-after' };

/** Holds the first matching request until it is let go. */
export function gate(matches: Matcher): { hook: Hook; reached: Promise<void>; open: () => void } {
  const reached = Promise.withResolvers<undefined>();
  const opened = Promise.withResolvers<undefined>();
  let held = false;
  return {
    hook: async (request) => {
      if (held || !matches(request)) return undefined;
      held = true;
      reached.resolve(undefined);
      await opened.promise;
      return undefined;
    },
    reached: reached.promise.then(() => undefined),
    open: () => {
      opened.resolve(undefined);
    },
  };
}
