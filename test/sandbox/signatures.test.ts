import { Agent } from 'node:https';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { send } from './raw.ts';
import { refusal } from './target.ts';

describe.each([false, true])('a request of the SDK, with TLS: %s', (tls) => {
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'a+secret/key' };
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await startSandbox({ buckets: ['b'], credentials, tls });
  });
  afterAll(() => sandbox.close());

  function client(more: Partial<typeof credentials> = {}): S3Client {
    return new S3Client({
      endpoint: sandbox.endpoint,
      region: 'eu-central-1',
      forcePathStyle: true,
      maxAttempts: 1,
      credentials: { ...credentials, ...more },
      // An agent, not its options: the handler sends a body that expects 100-continue past an agent it made itself.
      requestHandler: new NodeHttpHandler({ httpsAgent: new Agent({ ca: sandbox.ca, keepAlive: true }) }),
    });
  }

  it('is accepted, whatever its key', async () => {
    const s3 = client();
    const keys = ['plain', ' a+b&c=d?e#f%20', `!*'()~`, '\u{1f600}/\n', '../x', '//'];
    for (const Key of keys) {
      await s3.send(new PutObjectCommand({ Bucket: 'b', Key, Body: Key, Metadata: { spaced: 'a  b' } }));
      const reply = await s3.send(new GetObjectCommand({ Bucket: 'b', Key }));
      expect(await reply.Body?.transformToString()).toBe(Key);
      const listed = await s3.send(
        new ListObjectsV2Command({ Bucket: 'b', Prefix: Key, StartAfter: `${Key} a+b` }),
      );
      expect(listed.$metadata.httpStatusCode).toBe(200);
    }
    const body = Buffer.alloc(6 * 1024 * 1024, 'multipart');
    await new Upload({ client: s3, params: { Bucket: 'b', Key: 'big', Body: body } }).done();
    expect(sandbox.get('b', 'big')?.equals(body)).toBe(true);
  });

  it.each([
    [{ secretAccessKey: 'other' }, 'SignatureDoesNotMatch'],
    [{ accessKeyId: 'other' }, 'InvalidAccessKeyId'],
  ])('is refused with %j', async (more, code) => {
    const sent = client(more).send(new PutObjectCommand({ Bucket: 'b', Key: 'never', Body: 'x' }));
    expect(await refusal(sent)).toEqual({ code, status: 403 });
    expect(sandbox.get('b', 'never')).toBeUndefined();
  });
});

// The examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
describe('the examples of the S3 reference', () => {
  let sandbox: Sandbox;
  let time = new Date('2013-05-24T00:00:00Z');
  beforeAll(async () => {
    sandbox = await startSandbox({
      buckets: ['examplebucket'],
      credentials: {
        accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
        secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      },
      now: () => time,
    });
  });
  afterAll(() => sandbox.close());

  interface Example {
    headers: Record<string, string>;
    body: string;
  }

  function example(kind: string, seed: string, chunks: [string, string, string], trailers = ''): Example {
    const signed = `content-encoding;${trailers === '' ? 'content-length;' : ''}host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class${trailers === '' ? '' : ';x-amz-trailer'}`;
    const sizes = [65_536, 1024, 0];
    const framed = chunks.map((signature, i) => {
      const size = sizes[i] ?? 0;
      const data = size === 0 ? '' : `${'a'.repeat(size)}\r\n`;
      return `${size.toString(16)};chunk-signature=${signature}\r\n${data}`;
    });
    const body = `${framed.join('')}${trailers}\r\n`;
    return {
      headers: {
        host: 's3.amazonaws.com',
        'x-amz-date': '20130524T000000Z',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        'x-amz-content-sha256': kind,
        'content-encoding': 'aws-chunked',
        'x-amz-decoded-content-length': '66560',
        'content-length': String(body.length),
        ...(trailers !== '' && { 'x-amz-trailer': 'x-amz-checksum-crc32c' }),
        authorization: `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signed},Signature=${seed}`,
      },
      body,
    };
  }

  const plain = () =>
    example(
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
      [
        'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
        '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
        'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
      ],
    );
  const trailing = () =>
    example(
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
      '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
      [
        'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
        '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
        '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
      ],
      'x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n',
    );

  it.each([
    ['signed chunks', plain],
    ['signed chunks and trailers', trailing],
  ])('%s', async (_name, make) => {
    sandbox.delete('examplebucket', 'chunkObject.txt');
    const reply = await send(sandbox.endpoint, 'PUT', '/examplebucket/chunkObject.txt', make());
    expect(reply.body.toString()).toBe('');
    expect(reply.status).toBe(200);
    expect(sandbox.get('examplebucket', 'chunkObject.txt')?.toString()).toBe('a'.repeat(66_560));
  });

  it.each<[string, () => Example, (of: Example) => unknown, string]>([
    ['a changed byte', plain, (of) => (of.body = of.body.replace('aaa', 'aba')), 'SignatureDoesNotMatch'],
    [
      'a chunk without signature',
      plain,
      (of) => (of.body = of.body.replace(/;chunk-signature=\w+/, '')),
      'SignatureDoesNotMatch',
    ],
    [
      'a changed trailer',
      trailing,
      (of) => (of.body = of.body.replace('sOO8', 'aOO8')),
      'SignatureDoesNotMatch',
    ],
    [
      'a trailer without signature',
      trailing,
      (of) => (of.body = of.body.replace(/x-amz-trailer.*\r\n/, '')),
      'SignatureDoesNotMatch',
    ],
    [
      'a changed signed header',
      plain,
      (of) => (of.headers['x-amz-storage-class'] = 'STANDARD'),
      'SignatureDoesNotMatch',
    ],
    ['an unsigned header', plain, (of) => (of.headers['x-amz-meta-a'] = 'b'), 'AccessDenied'],
    ['no authorization', plain, (of) => delete of.headers['authorization'], 'AccessDenied'],
    [
      'a malformed authorization',
      plain,
      (of) => (of.headers['authorization'] = 'AWS a:b'),
      'AuthorizationHeaderMalformed',
    ],
    ['no date', plain, (of) => delete of.headers['x-amz-date'], 'AccessDenied'],
  ])('%s is refused', async (_name, make, spoil, code) => {
    sandbox.put('examplebucket', 'chunkObject.txt', 'old');
    const spoiled = make();
    spoil(spoiled);
    spoiled.headers['content-length'] = String(spoiled.body.length);
    const reply = await send(sandbox.endpoint, 'PUT', '/examplebucket/chunkObject.txt', spoiled);
    expect(reply.code).toBe(code);
    expect(sandbox.get('examplebucket', 'chunkObject.txt')?.toString()).toBe('old');
  });

  it('are refused a quarter of an hour later', async () => {
    time = new Date('2013-05-24T00:15:01Z');
    const reply = await send(sandbox.endpoint, 'PUT', '/examplebucket/chunkObject.txt', plain());
    expect(reply).toMatchObject({ status: 403, code: 'RequestTimeTooSkewed' });
    time = new Date('2013-05-24T00:00:00Z');
  });

  it('a whole body under another hash is refused', async () => {
    // GET Object of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html signs no body.
    const headers = { ...plain().headers, 'x-amz-content-sha256': '0'.repeat(64) };
    const reply = await send(sandbox.endpoint, 'PUT', '/examplebucket/chunkObject.txt', {
      headers,
      body: plain().body,
    });
    expect(reply.code).toBe('SignatureDoesNotMatch');
  });
});

it('a body that does not have the announced SHA-256 is refused, with or without credentials', async () => {
  const sandbox = await startSandbox({ buckets: ['b'] });
  const headers = { 'x-amz-content-sha256': '0'.repeat(64) };
  const reply = await send(sandbox.endpoint, 'PUT', '/b/x', { headers, body: 'hello' });
  expect(reply).toMatchObject({ status: 400, code: 'XAmzContentSHA256Mismatch' });
  expect(sandbox.keys('b')).toEqual([]);
  await sandbox.close();
});
