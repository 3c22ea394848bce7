/*
 * Node's agents go by the proxy that the environment names only if they are told to, and every client of the SDK has agents of
 * its own: https://nodejs.org/docs/latest-v24.x/api/http.html#built-in-proxy-support
 */

type Environment = Readonly<Record<string, string | undefined>>;

const NAMES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'] as const;

/** The first variable that names a proxy; undefined where there is none. */
function proxyVariable(environment: Environment): (typeof NAMES)[number] | undefined {
  return NAMES.find((name) => (environment[name] ?? '') !== '');
}

/** Options of an agent by which it honours `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; none where no proxy is named. */
export function agentProxy(environment: Environment = process.env): { proxyEnv?: NodeJS.ProcessEnv } {
  return proxyVariable(environment) === undefined ? {} : { proxyEnv: { ...environment } };
}

/** Options of a request handler of the SDK, likewise. */
export function handlerProxy(environment: Environment = process.env) {
  const proxy = agentProxy(environment);
  return proxy.proxyEnv === undefined ? {} : { httpAgent: proxy, httpsAgent: proxy };
}

/** A sentence for errors of connections, without its full stop: which proxy may be to blame; undefined where there is none. */
export function proxyAdvice(environment: Environment = process.env): string | undefined {
  const name = proxyVariable(environment);
  if (name === undefined) return undefined;
  // A user and a password in it are nobody's business.
  const url = (environment[name] ?? '').replace(/\/\/[^/@]*@/, '//***@');
  return `${name} is ${url}: check that it can be reached and lets the host pass, or name the host in NO_PROXY`;
}
