export interface Stats {
  connections: number;
  peakConnections: number;
  inFlight: number;
  peakInFlight: number;
  peakInFlightGets: number;
  requests: number;
}

/**
 * Counts connections and requests in flight, as the server sees them. A request is in flight from its headers to just
 * before its last byte goes out: never longer than it is for the client, so a client's ceiling can be asserted here.
 */
export class Gauges {
  #connections = 0;
  #peakConnections = 0;
  #inFlight = 0;
  #peakInFlight = 0;
  #gets = 0;
  #peakGets = 0;
  requests = 0;

  connected(): () => void {
    this.#peakConnections = Math.max(this.#peakConnections, ++this.#connections);
    return once(() => this.#connections--);
  }

  began(isGet: boolean): () => void {
    this.requests++;
    this.#peakInFlight = Math.max(this.#peakInFlight, ++this.#inFlight);
    if (isGet) this.#peakGets = Math.max(this.#peakGets, ++this.#gets);
    return once(() => {
      this.#inFlight--;
      if (isGet) this.#gets--;
    });
  }

  resetPeaks(): void {
    this.#peakConnections = this.#connections;
    this.#peakInFlight = this.#inFlight;
    this.#peakGets = this.#gets;
  }

  stats(): Stats {
    return {
      connections: this.#connections,
      peakConnections: this.#peakConnections,
      inFlight: this.#inFlight,
      peakInFlight: this.#peakInFlight,
      peakInFlightGets: this.#peakGets,
      requests: this.requests,
    };
  }
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
