import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { send, sendBytes } from './raw.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox({ buckets: ['b'] });
});
afterAll(() => sandbox.close());
beforeEach(() => {
  sandbox.hook = undefined;
  sandbox.put('b', 'x', 'old');
});

const UNSIGNED = {
  'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': '11',
};

describe('aws-chunked bodies', () => {
  const chunks = '5\r\nhello\r\n6\r\n world\r\n0\r\n';
  const crc = 'x-amz-checksum-crc32:DUoRhQ==\r\n\r\n';
  const trailer = { 'x-amz-trailer': 'x-amz-checksum-crc32' };

  it.each<[string, Record<string, string>, string, string | undefined]>([
    ['without trailers', {}, `${chunks}\r\n`, undefined],
    ['with a right trailer', trailer, chunks + crc, undefined],
    ['with a wrong trailer', trailer, `${chunks}x-amz-checksum-crc32:AAAAAA==\r\n\r\n`, 'BadDigest'],
    [
      'with a trailer that is no CRC',
      trailer,
      `${chunks}x-amz-checksum-crc32:AAAA\r\n\r\n`,
      'InvalidRequest',
    ],
    ['with a trailer that was promised and did not come', trailer, `${chunks}\r\n`, 'MalformedTrailerError'],
    ['with an unknown algorithm', { 'x-amz-trailer': 'x-amz-checksum-crc9' }, chunks + crc, 'InvalidRequest'],
    ['shorter than announced', trailer, `5\r\nhello\r\n0\r\n${crc}`, 'IncompleteBody'],
    ['longer than announced', trailer, `5\r\nhello\r\n7\r\n world!\r\n0\r\n${crc}`, 'IncompleteBody'],
    ['without an end', {}, '5\r\nhello\r\n6\r\n world\r\n', 'IncompleteBody'],
    ['with a chunk beyond its size', {}, '5\r\nhello world\r\n0\r\n\r\n', 'IncompleteBody'],
    ['that are not chunked', {}, 'hello world', 'IncompleteBody'],
  ])('%s', async (_name, headers, body, code) => {
    const reply = await send(sandbox.endpoint, 'PUT', '/b/x', { headers: { ...UNSIGNED, ...headers }, body });
    expect(reply).toMatchObject({ status: code === undefined ? 200 : 400, code });
    expect(sandbox.get('b', 'x')?.toString()).toBe(code === undefined ? 'hello world' : 'old');
    // aws-chunked belongs to the transfer, and is not kept with the object.
    const head = await send(sandbox.endpoint, 'HEAD', '/b/x');
    expect(head.headers['content-encoding']).toBeUndefined();
  });

  it('may arrive in pieces of any size', async () => {
    const { hostname, port } = new URL(sandbox.endpoint);
    const headers = { ...UNSIGNED, ...trailer, 'transfer-encoding': 'chunked' };
    const sent = request({ hostname, port, method: 'PUT', path: '/b/x', headers });
    for (const byte of chunks + crc) sent.write(byte);
    sent.end();
    const [response] = (await once(sent, 'response')) as [{ statusCode: number; resume: () => void }];
    response.resume();
    expect(response.statusCode).toBe(200);
    expect(sandbox.get('b', 'x')?.toString()).toBe('hello world');
  });
});

describe('a body that is cut', () => {
  const head = 'PUT /b/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n';

  it('by a FIN is IncompleteBody, and leaves nothing', async () => {
    const reply = await sendBytes(sandbox.endpoint, `${head}\r\nonly this`);
    expect(reply).toMatch(/^HTTP\/1.1 400 /);
    expect(reply).toContain('<Code>IncompleteBody</Code>');
    expect(sandbox.get('b', 'x')?.toString()).toBe('old');
  });

  it('by a RST leaves nothing', async () => {
    const socket = connect(Number(new URL(sandbox.endpoint).port), '127.0.0.1');
    const arrived = new Promise<void>((resolve) => {
      sandbox.hook = () => {
        resolve();
        return undefined;
      };
    });
    socket.write(`${head}\r\nonly this`);
    await arrived;
    socket.resetAndDestroy();
    await settled();
    expect(sandbox.get('b', 'x')?.toString()).toBe('old');
  });

  it('of a part leaves no part', async () => {
    const created = await send(sandbox.endpoint, 'POST', '/b/m?uploads');
    const uploadId = /<UploadId>(\w+)</.exec(created.body.toString())?.[1] ?? '';
    const path = `/b/m?partNumber=1&uploadId=${uploadId}`;
    await sendBytes(sandbox.endpoint, `PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf`);
    const listed = await send(sandbox.endpoint, 'GET', `/b/m?uploadId=${uploadId}`);
    expect(listed.body.toString()).not.toContain('<Part>');
  });
});

/** Resolves once no request is in flight. */
async function settled(): Promise<void> {
  while (sandbox.stats().inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
}

it('an object is not visible while it is written, and keeps its old bytes while it is overwritten', async () => {
  const { hostname, port } = new URL(sandbox.endpoint);
  const begin = (key: string) => {
    const sent = request({
      hostname,
      port,
      method: 'PUT',
      path: `/b/${key}`,
      headers: { 'content-length': 10 },
    });
    sent.write('12345');
    return sent;
  };
  const arrived = new Promise<void>((resolve) => {
    let count = 0;
    sandbox.hook = () => {
      if (++count === 2) resolve();
      return undefined;
    };
  });
  const [fresh, over] = [begin('fresh'), begin('x')];
  await arrived;
  expect((await send(sandbox.endpoint, 'GET', '/b/fresh')).code).toBe('NoSuchKey');
  expect((await send(sandbox.endpoint, 'GET', '/b?list-type=2')).body.toString()).not.toContain('fresh');
  expect((await send(sandbox.endpoint, 'GET', '/b/x')).body.toString()).toBe('old');
  for (const sent of [fresh, over]) {
    const response = once(sent, 'response');
    sent.end('67890');
    const [{ statusCode }] = (await response) as [{ statusCode: number }];
    expect(statusCode).toBe(200);
  }
  expect(sandbox.get('b', 'fresh')?.toString()).toBe('1234567890');
  expect(sandbox.get('b', 'x')?.toString()).toBe('1234567890');
});

describe('a request that is refused', () => {
  it.each([
    ['PUT', '/b/x?acl', 501, 'NotImplemented'],
    ['PUT', '/b/x?retention', 501, 'NotImplemented'],
    ['GET', '/b/x?versionId=1', 501, 'NotImplemented'],
    ['GET', '/b/x?attributes', 501, 'NotImplemented'],
    ['POST', '/b/x', 405, 'MethodNotAllowed'],
    ['PATCH', '/b/x', 405, 'MethodNotAllowed'],
    ['GET', '/b/%ff', 400, 'InvalidURI'],
  ])('because it is not implemented or malformed: %s %s', async (method, path, status, code) => {
    const body = method === 'PUT' ? '<Anything/>' : undefined;
    expect(await send(sandbox.endpoint, method, path, body === undefined ? {} : { body })).toMatchObject({
      status,
      code,
    });
    expect(sandbox.get('b', 'x')?.toString()).toBe('old');
  });

  it('has an error document with code, key and request id', async () => {
    const { body, headers } = await send(sandbox.endpoint, 'GET', '/b/a%26b%0Ac');
    const requestId = headers['x-amz-request-id'] as string;
    expect(requestId).toMatch(/^[0-9A-F]{16}$/);
    expect(headers['content-type']).toBe('application/xml');
    expect(body.toString()).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&amp;b&#xa;c</Key><Resource>/b/a%26b%0Ac</Resource><RequestId>${requestId}</RequestId><HostId>sandbox</HostId></Error>`,
    );
  });

  it.each([
    ['not XML', '<<<'],
    ['another document', '<Nonsense/>'],
    ['an empty element', '<CompleteMultipartUpload/>'],
  ])('because its document is malformed: %s', async (_name, body) => {
    const created = await send(sandbox.endpoint, 'POST', '/b/m?uploads');
    const uploadId = /<UploadId>(\w+)</.exec(created.body.toString())?.[1] ?? '';
    const reply = await send(sandbox.endpoint, 'POST', `/b/m?uploadId=${uploadId}`, { body });
    expect(reply).toMatchObject({ status: 400, code: 'MalformedXML' });
  });

  it('because it is a batch delete without a digest', async () => {
    const body = '<Delete><Object><Key>x</Key></Object></Delete>';
    expect(await send(sandbox.endpoint, 'POST', '/b?delete', { body })).toMatchObject({
      code: 'InvalidRequest',
    });
    expect(sandbox.get('b', 'x')?.toString()).toBe('old');
  });

  it('because its body has no length', async () => {
    const reply = await send(sandbox.endpoint, 'PUT', '/b/x', {
      headers: { 'transfer-encoding': 'chunked' },
      body: 'x',
    });
    expect(reply).toMatchObject({ status: 411, code: 'MissingContentLength' });
  });
});

it('a connection can be used again after a refused upload', async () => {
  const body = 'x'.repeat(1_000_000);
  const put = `PUT /none/x HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const reply = await sendBytes(
    sandbox.endpoint,
    `${put}GET /b/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  );
  expect(reply).toContain('NoSuchBucket');
  expect(reply).toMatch(/HTTP\/1.1 200 [\s\S]*old$/);
});
