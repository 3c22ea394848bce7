import type { Fault, Hook, SandboxRequest } from '../../../sandbox/sandbox.ts';
import type { Random } from './race.ts';

const error = (status: number, code: string): Fault => ({ kind: 'error', status, code });

/** Faults that pass, by the operations that can meet them. */
const EVERYWHERE: Fault[] = [
  error(500, 'InternalError'),
  error(503, 'SlowDown'),
  { kind: 'reset' },
  { kind: 'reset-after' },
  { kind: 'stall', afterBytes: 20 },
];
const BODIES: Fault[] = [
  { kind: 'cut', afterBytes: 0, how: 'close' },
  { kind: 'cut', afterBytes: 40, how: 'close' },
  { kind: 'cut', afterBytes: 40, how: 'reset' },
  { kind: 'corrupt', atByte: 5 },
];
const WRITES: Fault[] = [error(409, 'ConditionalRequestConflict')];
const IN_BODY: Fault[] = [{ kind: 'error-in-body', code: 'InternalError' }];

function faultsOf({ operation, key = '' }: SandboxRequest): Fault[] {
  // The index and the manifest are read before a run knows anything; they have CRCs as well.
  if (operation === 'GetObject') return [...EVERYWHERE, ...BODIES, { kind: 'hang' }];
  if (operation === 'ListObjectsV2') return [...EVERYWHERE, { kind: 'cut', afterBytes: 200, how: 'close' }];
  if (operation === 'PutObject') return key.includes('/_sources-') ? EVERYWHERE : [...EVERYWHERE, ...WRITES];
  if (operation === 'CompleteMultipartUpload') return [...EVERYWHERE, ...WRITES, ...IN_BODY];
  if (operation === 'CopyObject') return [...EVERYWHERE, ...WRITES, ...IN_BODY];
  return EVERYWHERE;
}

/** A name for the count of faults: `503 SlowDown`, `cut/close`. */
export function nameOf(fault: Fault): string {
  if (fault.kind === 'error') return `${fault.status} ${fault.code}`;
  return fault.kind === 'cut' ? `cut/${fault.how}` : fault.kind;
}

/** One request in `rarity` meets a fault. */
export function mixed(random: Random, rarity: number, injected: Map<string, number>): Hook {
  return (request) => {
    if (random(rarity) > 0) return undefined;
    const faults = faultsOf(request);
    const fault = faults[random(faults.length)];
    if (fault !== undefined) injected.set(nameOf(fault), (injected.get(nameOf(fault)) ?? 0) + 1);
    return fault;
  };
}
