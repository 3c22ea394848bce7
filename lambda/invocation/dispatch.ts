import type { Store } from '../rollup/index.ts';
import type { Settings } from '../settings/table.ts';
import type { ResolvedRequest } from './request.ts';
import { continuationOf } from './request.ts';
import type { StateMachine } from './state-machine.ts';

/** The answer to a request that others carry out. */
export interface Dispatched {
  status: 'handed-over';
  execution: string;
}

/** Lists no further than it takes to know whether there is more than one function should do. */
export async function isLarge(
  { source }: Pick<ResolvedRequest, 'source'>,
  store: Store,
  { fanOutObjects, fanOutBytes }: Pick<Settings, 'fanOutObjects' | 'fanOutBytes'>,
  signal?: AbortSignal,
): Promise<boolean> {
  let objects = 0;
  let bytes = 0;
  for await (const page of store.list(source, signal)) {
    objects += page.length;
    bytes += page.reduce((sum, { size }) => sum + size, 0);
    if (objects > fanOutObjects || bytes > fanOutBytes) return true;
  }
  return false;
}

/** `id`: of the message, or of the invocation where there is none; a repeated one keeps it. */
export async function dispatch(
  request: ResolvedRequest,
  machine: StateMachine,
  id: string,
): Promise<Dispatched> {
  // https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html: 80 characters.
  const execution = [...(request.hour === undefined ? [] : [request.hour]), id].join('-').slice(0, 80);
  await machine.start(execution, { ...continuationOf(request), continuation: undefined });
  return { status: 'handed-over', execution };
}
