import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AwsChunkedDecoder } from '../../sandbox/http/aws-chunked.ts';
import type { Call } from '../../sandbox/http/call.ts';
import { checksumHeader, createDigest } from '../../sandbox/checksums.ts';
import type { Gauges } from '../../sandbox/gauges.ts';
import { HANDLERS } from '../../sandbox/operations/index.ts';
import { bodyLength, type Received, type Sink } from '../../sandbox/http/receive-body.ts';
import { matchOperation, parseAddress, type Operation } from '../../sandbox/http/route.ts';
import { S3Error, formatError } from '../../sandbox/http/s3-error.ts';
import { sendReply } from '../../sandbox/http/send-reply.ts';
import type { ObjectTable } from '../../sandbox/storage/object-table.ts';

export interface FastHost {
  table: ObjectTable;
  gauges: Gauges;
  /** Milliseconds until the answer to an operation. */
  latency?: ((operation: Operation) => number) | undefined;
}

let received = 0;

/**
 * Serves the sandbox's operations without the parts that take most of its time: the MD5 of every body, the checks of
 * signatures and checksums, the log. With them, a benchmark would wait for the server. The stored bodies are compared at
 * the end of each run.
 */
export async function serveFast(
  { table, gauges, latency }: FastHost,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { headers, method = '', url = '/' } = request;
  const address = parseAddress(url);
  const operation = matchOperation(method, address, headers['x-amz-copy-source'] !== undefined);
  const ended = gauges.began(operation === 'GetObject');
  response.once('close', ended);
  const receive = (sink: Sink): Promise<Received> => receiveFast(request, operation, sink);
  const now = (): number => Math.floor(Date.now() / 1000) * 1000;
  const reply = await answer({ ...address, operation, headers, table, now, receive });
  if (latency !== undefined) await sleep(latency(operation));
  await sendReply(response, reply, {
    content: table.content,
    fault: undefined,
    socket: request.socket,
    last: ended,
  });
  if (reply.body !== undefined && !Buffer.isBuffer(reply.body)) table.content.release(reply.body.content);
  if (!request.complete) request.resume();
}

async function answer(call: Omit<Call, 'operation'> & { operation: Operation }) {
  try {
    const { operation } = call;
    if (operation === 'Other') throw new S3Error('NotImplemented', 'No benchmark asks for this.');
    return await HANDLERS[operation]({ ...call, operation });
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    const { code, message, status } = error;
    const body = formatError({ code, message, resource: call.key, requestId: '' });
    return { status, headers: { 'content-type': 'application/xml' }, body };
  }
}

function receiveFast(request: IncomingMessage, operation: Operation, sink: Sink): Promise<Received> {
  const { headers } = request;
  // As the SDK for Go uploads: chunks, and a checksum behind them.
  const isChunked = String(headers['x-amz-content-sha256'] ?? '').startsWith('STREAMING-');
  const chunked = isChunked ? new AwsChunkedDecoder(undefined) : undefined;
  const isOfBody = operation === 'PutObject' || operation === 'UploadPart';
  return new Promise((resolve, reject) => {
    const isCrc64 = checksumHeader('CRC64NVME') in headers;
    const algorithm = isCrc64 ? 'CRC64NVME' : 'CRC32';
    const digest = createDigest(algorithm);
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      for (const bytes of chunked?.decode(chunk) ?? [chunk]) {
        size += bytes.length;
        digest.update(bytes);
        void sink(bytes);
      }
    });
    request.once('error', reject);
    request.once('end', () => {
      if (size !== bodyLength(headers)) {
        reject(new S3Error('IncompleteBody', `${size} bytes came.`));
        return;
      }
      // A different ETag for every body, as with objects that S3 encrypts by KMS, where it is no MD5 either.
      const md5 = createHash('md5').update(String(++received)).digest('hex');
      const name = checksumHeader(algorithm);
      const given = headers[name] ?? chunked?.trailers[name];
      const checksum = { algorithm, value: String(given) } as const;
      const came = digest.digest().toString('base64');
      if (isOfBody && given !== undefined && given !== came)
        reject(new S3Error('BadDigest', `Bytes of ${algorithm} ${came} came, and not of ${String(given)}.`));
      resolve({ size, md5, ...(isOfBody && given !== undefined && { checksum }) });
    });
  });
}
