import { type IncomingMessage, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { connect } from '../../../lambda/s3/connection.ts';
import { DEFAULT_SETTINGS } from '../../../lambda/settings/settings.ts';
import '../../support/credentials.ts';

const MINUTES = 60_000;

/** What S3 says to a request: undefined where it is as it should be. */
type Judge = (request: {
  region: string;
  at: Date;
  /** True of a request of the SDK. */
  bySdk: boolean;
}) => { status: number; code: string; headers?: Record<string, string> } | undefined;

/** Reads 30 objects, one by one, of a server that answers as `judge` says; returns the number of refused requests. */
async function refusals(judge: Judge, { offset = 0 } = {}): Promise<number> {
  let refused = 0;
  const server = createServer((request: IncomingMessage, response) => {
    const [, region = ''] =
      /Credential=[^/]+\/\d+\/([^/]+)\//.exec(request.headers.authorization ?? '') ?? [];
    const text = String(request.headers['x-amz-date']);
    const at = new Date(text.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
    const refusal = judge({ region, at, bySdk: 'amz-sdk-invocation-id' in request.headers });
    const date = new Date(Date.now() + offset).toUTCString();
    if (refusal === undefined) {
      response.writeHead(200, { date, 'content-length': 3, etag: '"e"' }).end('abc');
      return;
    }
    refused++;
    const { status, code, headers = {} } = refusal;
    const body = `<Error><Code>${code}</Code><Message>no</Message></Error>`;
    response
      .writeHead(status, {
        date,
        'content-type': 'application/xml',
        'content-length': body.length,
        ...headers,
      })
      .end(body);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const connection = connect({
    settings: DEFAULT_SETTINGS,
    endpointUrl: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
  });
  try {
    for (let i = 0; i < 30; i++) {
      const into = Buffer.alloc(3);
      const from = { bucket: 'logs', key: `raw/${i}.log`, etag: 'e' };
      await connection.store.read(from, into, new AbortController().signal);
      expect(into.toString()).toBe('abc');
    }
    return refused;
  } finally {
    connection.close();
    server.close();
  }
}

it.each<[string, number, Judge, { offset?: number }]>([
  [
    'a clock that is off by 20 minutes',
    3,
    ({ at }) =>
      Math.abs(at.getTime() - Date.now() - 20 * MINUTES) > 15 * MINUTES
        ? { status: 403, code: 'RequestTimeTooSkewed' }
        : undefined,
    { offset: 20 * MINUTES },
  ],
  [
    'a bucket of another region',
    3,
    ({ region }) =>
      region === 'eu-west-1'
        ? undefined
        : { status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-1' } },
    {},
  ],
  [
    'a signature that is refused',
    3,
    ({ bySdk }) => (bySdk ? undefined : { status: 400, code: 'InvalidRequest' }),
    {},
  ],
])('the direct way learns from a refusal: %s', async (_, most, judge, options) => {
  expect(await refusals(judge, options)).toBeLessThanOrEqual(most);
});
