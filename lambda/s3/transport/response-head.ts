/** The status and the headers of a response, with names in lower case. A header that came twice has its first value. */
export interface ResponseHead {
  status: number;
  headers: Readonly<Record<string, string | undefined>>;
}

/** The most bytes of a status line and headers, as for Node's own HTTP client. */
export const MOST_HEAD_BYTES = 16 * 1024;

/** The empty line that ends a head. */
export const END_OF_HEAD = '\r\n\r\n';

/** HTTP/1.1 and a final status: `100 Continue` and its like are nothing that a GET asks for. */
const STATUS_LINE = /^HTTP\/1\.1 ([2-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
/** No space before the colon and no folded lines: https://www.rfc-editor.org/rfc/rfc9112#section-5 */
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/;
const LENGTH = /^\d{1,15}$/;

/** Headers that decide what the response means: two of one kind are two meanings. */
const ONCE = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'etag',
  'keep-alive',
  'transfer-encoding',
  'x-amz-bucket-region',
  'x-amz-checksum-crc32',
  'x-amz-checksum-crc64nvme',
]);

/**
 * Reads a status line and headers.
 *
 * @param text without the empty line that ends it
 * @returns undefined for anything that is not HTTP/1.1 to the letter
 */
export function parseHead(text: string): ResponseHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = STATUS_LINE.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers = Object.create(null) as Record<string, string>;
  for (const line of lines) {
    const [, given, value] = FIELD_LINE.exec(line) ?? [];
    if (given === undefined || value === undefined) return undefined;
    const name = given.toLowerCase();
    if (!(name in headers)) headers[name] = value.trimEnd();
    else if (ONCE.has(name)) return undefined;
  }
  return { status: Number(status), headers };
}

/**
 * The length of the body in bytes. Undefined where the head does not say it by one Content-Length and nothing else: such a
 * body may end where the connection does, or consist of chunks.
 */
export function bodyLength({ headers }: ResponseHead): number | undefined {
  const length = headers['content-length'];
  if (length === undefined || headers['transfer-encoding'] !== undefined) return undefined;
  return LENGTH.test(length) ? Number(length) : undefined;
}

/** True if the server keeps the connection open behind this response. */
export function isKept({ headers }: ResponseHead): boolean {
  const options = headers['connection']?.toLowerCase().split(',') ?? [];
  return !options.some((option) => option.trim() === 'close');
}
