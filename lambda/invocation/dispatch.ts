import type { Store } from '../rollup/index.ts';
import type { Settings } from '../settings/table.ts';
import type { ResolvedRequest } from './request.ts';
import { continuationOf } from './request.ts';
import type { StateMachine } from './state-machine.ts';

/** The answer to a request that an execution of the state machine carries out. */
export interface Dispatched {
  status: 'handed-over';
  /** Name of the execution. */
  execution: string;
}

/** True where the source has more objects or bytes than one invocation should roll up. Lists no further than it must. */
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

/**
 * Starts an execution of the state machine that carries out the request.
 *
 * @param id of the message, or of the invocation where there is none. It makes the execution's name, with the hour: a
 * message that is delivered again starts no second execution.
 */
export async function dispatch(
  request: ResolvedRequest,
  stateMachine: StateMachine,
  id: string,
): Promise<Dispatched> {
  // https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html: 80 characters.
  const name = request.hour === undefined ? id : `${request.hour}-${id}`;
  const execution = name.slice(0, 80);
  await stateMachine.start(execution, { ...continuationOf(request), continuation: undefined });
  return { status: 'handed-over', execution };
}
