/** A GET that is signed. Names of headers are in lower case. */
export interface SignedGet {
  /** Percent-encoded, from the first slash. */
  path: string;
  headers: Readonly<Record<string, string>>;
}

const PATH = /^\/[\x21-\x7e]*$/;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e]*$/;

/**
 * The bytes of a GET. Undefined where a part of it has characters that could end a line, or that are not ASCII: Node's own
 * client says what is wrong with them.
 */
export function formatRequest({ path, headers }: SignedGet): string | undefined {
  if (!PATH.test(path)) return undefined;
  let text = `GET ${path} HTTP/1.1\r\n`;
  for (const name in headers) {
    const value = headers[name] ?? '';
    if (!NAME.test(name) || !VALUE.test(value)) return undefined;
    text += `${name}: ${value}\r\n`;
  }
  return `${text}connection: keep-alive\r\n\r\n`;
}
