import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import { RollupError } from '../../errors.ts';
import { short, stalled } from '../client/read-into.ts';
import { isCut } from '../client/network.ts';
import { type Reader, setReader } from '../client/shared-read-buffer.ts';
import type { Timeouts } from '../client/timeouts.ts';
import { type Host, Loan } from './loan.ts';
import { type ResponseHead, isKept } from './response-head.ts';
import { ResponseReader } from './response-reader.ts';

/** A GET to send, and the place of its body. */
export interface Get {
  host: Host;
  /** The bytes of the request, as text. */
  request: string;
  /** The status of the response that is expected. */
  status: 200 | 206;
  /** The place of the body, of just its length. */
  into: Buffer;
  /** Key of the object, for errors. */
  key: string;
  /** True if the CRC-32 of the body is to be computed as it comes. */
  isSummed: (head: ResponseHead) => boolean;
}

/**
 * The end of a GET.
 *
 * - `read`: the body is in its place.
 * - `other`: a response of another status, whose body was not read.
 * - `length`: the object has another length, in bytes, than its place.
 * - `odd`: a response that is not strictly HTTP/1.1 with a Content-Length.
 * - `unanswered`: the connection failed, or no response came in time. `wasKept` is true if it was an older connection that had
 *   ended meanwhile, before a byte of the response: the request may be sent again.
 */
export type Got =
  | { is: 'read'; head: ResponseHead; crc32: number }
  | { is: 'other'; head: ResponseHead }
  | { is: 'length'; length: number }
  | { is: 'odd' }
  | { is: 'unanswered'; error: Error; wasKept: boolean };

/**
 * Sends a GET over a connection that the agent lends, and copies its body to its place. The connection goes back to the agent
 * after a response that was read whole, and is destroyed after any other.
 *
 * @throws RollupError `ShortBody` or `BodyStalled` of a body that did not come whole, and what the signal was aborted with
 */
export function getInto(agent: Agent, get: Get, timeouts: Timeouts, signal: AbortSignal): Promise<Got> {
  return new Promise((resolve, reject) => {
    new Exchange(get, timeouts, signal, { resolve, reject }).begin(agent);
  });
}

/** The promise of an exchange. */
interface Settle {
  resolve: (got: Got) => void;
  reject: (error: Error) => void;
}

/** One request and its response. */
class Exchange implements Reader {
  readonly #get: Get;
  readonly #timeouts: Timeouts;
  readonly #signal: AbortSignal;
  readonly #settle: Settle;
  readonly #loan: Loan;
  readonly #reader: ResponseReader;
  /** Waits for the connection, then for the head, then for each piece of the body. */
  #timer: NodeJS.Timeout | undefined;
  #socket: Socket | undefined;
  #wasKept = false;
  #inBody = false;
  #done = false;

  constructor(get: Get, timeouts: Timeouts, signal: AbortSignal, settle: Settle) {
    this.#get = get;
    this.#timeouts = timeouts;
    this.#signal = signal;
    this.#settle = settle;
    this.#reader = new ResponseReader(get.into, get.status, get.isSummed);
    this.#loan = new Loan(get.host, {
      lent: (socket) => {
        this.#send(socket);
      },
      refused: (error) => {
        this.#fail(error);
      },
    });
  }

  begin(agent: Agent): void {
    if (this.#signal.aborted) {
      this.#stop();
      return;
    }
    this.#signal.addEventListener('abort', this.#stop, { once: true });
    this.#awaitHead();
    try {
      this.#loan.ask(agent);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Bounds the wait for an open connection, and that for the head, both from now on as Node's own handler does. */
  #awaitHead(): void {
    const { connect, headers, longest } = this.#timeouts;
    const headMs = Math.min(headers, longest);
    const late = (): void => {
      this.#fail(new Error(`No response came in ${headMs / 1000} s.`));
    };
    const first = (): void => {
      const isOpen = this.#socket?.connecting === false;
      if (!isOpen) this.#fail(new Error(`No connection was open after ${connect / 1000} s.`));
      else if (headMs <= connect) late();
      else this.#timer = setTimeout(late, headMs - connect);
    };
    this.#timer = setTimeout(first, Math.min(connect, headMs));
  }

  #send(socket: Socket): void {
    this.#socket = socket;
    this.#wasKept = !socket.connecting;
    if (socket.destroyed) {
      this.ended(undefined);
      return;
    }
    setReader(socket, this);
    socket.write(this.#get.request, 'latin1');
    if (socket.readableFlowing !== true) socket.resume();
  }

  take(bytes: Buffer, length: number): void {
    if (this.#done) return;
    const state = this.#reader.take(bytes, length);
    switch (state.is) {
      case 'head':
        this.#wasKept = false;
        return;
      case 'body':
        if (this.#inBody) this.#timer?.refresh();
        else this.#awaitBody();
        return;
      case 'read':
        this.#end();
        if (isKept(state.head)) this.#loan.giveBack(state.head);
        else this.#loan.destroy();
        this.#settle.resolve({ ...state, crc32: this.#reader.crc32 });
        return;
      case 'other':
      case 'length':
      case 'odd':
        this.#destroy();
        this.#settle.resolve(state);
    }
  }

  #awaitBody(): void {
    this.#inBody = true;
    clearTimeout(this.#timer);
    const { bodyIdle } = this.#timeouts;
    this.#timer = setTimeout(() => {
      this.#destroy();
      this.#settle.reject(stalled(this.#get.key, bodyIdle));
    }, bodyIdle);
  }

  ended(error: Error | undefined): void {
    if (this.#done) return;
    if (!this.#inBody) {
      this.#fail(error ?? hungUp());
      return;
    }
    this.#destroy();
    this.#settle.reject(short(this.#get.key, this.#reader.received, this.#get.into.length, error));
  }

  #fail(error: Error): void {
    const wasKept = this.#wasKept && isCut(error);
    this.#destroy();
    this.#settle.resolve({ is: 'unanswered', error, wasKept });
  }

  readonly #stop = (): void => {
    const { reason } = this.#signal as { reason: unknown };
    this.#destroy();
    this.#settle.reject(
      reason instanceof Error ? reason : new RollupError('Aborted', 'The run was stopped.'),
    );
  };

  #destroy(): void {
    this.#end();
    this.#loan.destroy();
  }

  #end(): void {
    this.#done = true;
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#stop);
    if (this.#socket !== undefined) setReader(this.#socket, undefined);
  }
}

/** The error of a connection that ended without an answer, as Node's own client has it. */
function hungUp(): Error {
  return Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
}
