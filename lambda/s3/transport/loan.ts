import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import type { ResponseHead } from './response-head.ts';

/** A host that an agent connects to. */
export interface Host {
  /** Name or address; an IPv6 address without brackets. */
  name: string;
  port: number;
  /** The header `Host`, from which the agent takes the name for TLS. */
  header: string;
}

/** A socket of an agent, which remembers whom it is with. */
type AgentSocket = Socket & { _httpMessage?: unknown };

/**
 * A connection that Node's agent lends and takes back. To the agent this is a request like those of `http.request`: it goes by
 * the same queue, and counts in the same `maxSockets`. The agent looks at these members and at no others, from Node 20 to 24;
 * that it hands a socket to whatever has `onSocket` is what the package agent-base builds on.
 */
export class Loan {
  /** Asked by the agent: may the connection be kept? */
  readonly shouldKeepAlive = true;
  /** Written by the agent: true of a connection that was kept. */
  reusedSocket = false;
  /** Asked by the agent for the header `Keep-Alive`, in which a server says for how long it keeps a connection. */
  res: Pick<ResponseHead, 'headers'> = { headers: {} };

  readonly #host: Host;
  readonly #borrower: Borrower;
  #socket: AgentSocket | undefined;
  #ended = false;

  constructor(host: Host, borrower: Borrower) {
    this.#host = host;
    this.#borrower = borrower;
  }

  /** Asks for a connection: a kept one, a new one, or that which is free next. Throws what the agent throws. */
  ask(agent: Agent): void {
    const addRequest: unknown = Reflect.get(agent, 'addRequest');
    if (typeof addRequest !== 'function') throw new TypeError('The agent lends no connections.');
    Reflect.apply(addRequest, agent, [this, { host: this.#host.name, port: this.#host.port }]);
  }

  /** Asked by the agent for the header `host`. */
  getHeader(): string {
    return this.#host.header;
  }

  /** Called by the agent, at times in the middle of its bookkeeping: what follows waits for the next tick, as in Node. */
  onSocket(socket: AgentSocket | null, error?: Error): void {
    process.nextTick(() => {
      if (socket === null || error !== undefined) {
        socket?.destroy();
        if (!this.#ended) this.#borrower.refused(error ?? new Error('The agent gave no connection.'));
        return;
      }
      this.#socket = socket;
      socket._httpMessage = this;
      if (this.#ended) this.#return(socket);
      else this.#borrower.lent(socket);
    });
  }

  /** Gives the connection back for the next request; or, if there is none yet, does not take it. */
  giveBack(head?: ResponseHead): void {
    this.#ended = true;
    if (head !== undefined) this.res = head;
    if (this.#socket !== undefined) this.#return(this.#socket);
  }

  /** Ends the connection; or, if there is none yet, does not take it. */
  destroy(): void {
    this.#ended = true;
    this.#socket?.destroy();
  }

  /** For Node's agent the event `free` is how a connection comes back. */
  #return(socket: AgentSocket): void {
    socket.emit('free');
  }
}

/** Whoever asked for a connection. One of these is called, once, unless the loan has ended before. */
export interface Borrower {
  /** The connection may still be opening. */
  lent: (socket: Socket) => void;
  refused: (error: Error) => void;
}
