import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call, Reply } from './http/call.ts';
import type { Fault, Hook, SandboxRequest } from './faults.ts';
import type { Gauges } from './gauges.ts';
import { HANDLERS } from './operations/index.ts';
import { receiveBody } from './http/receive-body.ts';
import { matchOperation, parseAddress, refusal, type Address, type Operation } from './http/route.ts';
import { formatError, S3Error } from './http/s3-error.ts';
import { closed, sendReply } from './http/send-reply.ts';
import { authenticate, type Credentials } from './http/sigv4.ts';
import type { Store } from './storage/store.ts';
import { document, branch, leaf } from './http/xml.ts';

/** What a service works on; the hook is read anew for every request. */
export interface Host {
  store: Store;
  gauges: Gauges;
  credentials: readonly Credentials[] | undefined;
  now: () => Date;
  hook: () => Hook | undefined;
  log: (request: Omit<SandboxRequest, 'id'>) => SandboxRequest;
  rawSocket: (socket: Socket) => Socket;
}

/** `dropped`: the connection is to be reset. `gone`: the client has left, there is nobody to answer. */
type Served = { reply: Reply; fault: Fault | undefined } | 'dropped' | 'gone';

/** One request from its headers to its last byte. */
export async function serve(host: Host, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { operation, address } = identify(request);
  const ended = host.gauges.began(operation === 'GetObject');
  response.once('close', ended);
  const logged = host.log(describe(request, operation, address));
  const requestId = logged.id.toString(16).toUpperCase().padStart(16, '0');
  const served = await answer(host, request, response, { logged, address, requestId });
  const socket = host.rawSocket(request.socket);
  if (served === 'gone') return;
  if (served === 'dropped') {
    socket.resetAndDestroy();
    return;
  }
  const { reply, fault } = served;
  try {
    response.setHeader('date', host.now().toUTCString());
    response.setHeader('server', 'AmazonS3');
    response.setHeader('x-amz-request-id', requestId);
    response.setHeader('x-amz-id-2', 'sandbox');
    await sendReply(response, reply, { content: host.store.content, fault, socket, last: ended });
    // A refused body is read to its end, or the connection could not be used again.
    if (!request.complete) request.resume();
  } finally {
    release(host, reply);
  }
}

function release({ store }: Host, { body }: Reply): void {
  if (body && !Buffer.isBuffer(body)) store.content.release(body.content);
}

interface Identified {
  operation: Operation;
  /** Or why the URL cannot be understood. */
  address: Address | S3Error;
}

function identify(request: IncomingMessage): Identified {
  try {
    const address = parseAddress(request.url ?? '/');
    const isCopy = request.headers['x-amz-copy-source'] !== undefined;
    return { operation: matchOperation(request.method ?? '', address, isCopy), address };
  } catch (error) {
    if (error instanceof S3Error) return { operation: 'Other', address: error };
    throw error;
  }
}

function describe(
  { headers }: IncomingMessage,
  operation: Operation,
  address: Address | S3Error,
): Omit<SandboxRequest, 'id'> {
  const { range } = headers;
  const common = { operation, headers, ...(range !== undefined && { range }) };
  if (address instanceof S3Error) return common;
  const { bucket, key, query } = address;
  const prefix = query.get('prefix');
  const partNumber = query.get('partNumber');
  const uploadId = query.get('uploadId');
  return {
    ...common,
    ...(bucket !== '' && { bucket }),
    ...(key !== '' && { key }),
    ...(prefix !== null && { prefix }),
    ...(partNumber !== null && { partNumber: Number(partNumber) }),
    ...(uploadId !== null && { uploadId }),
  };
}

interface Asked {
  logged: SandboxRequest;
  address: Address | S3Error;
  requestId: string;
}

async function answer(
  host: Host,
  request: IncomingMessage,
  response: ServerResponse,
  asked: Asked,
): Promise<Served> {
  const resource = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const error = (code: string, message: string, details?: Record<string, string>) =>
    formatError({ code, message, resource, requestId: asked.requestId, ...(details && { details }) });
  const xml = { 'content-type': 'application/xml' };

  const fault = await host.hook()?.(asked.logged);
  switch (fault?.kind) {
    case 'delay':
      await sleep(fault.ms, undefined, { ref: false });
      break;
    case 'error': {
      const body = error(fault.code, fault.message ?? fault.code);
      return { reply: { status: fault.status, headers: { ...xml, ...fault.headers }, body }, fault };
    }
    case 'error-in-body': {
      const body = document(branch('Error', leaf('Code', fault.code), leaf('Message', fault.code)));
      return { reply: { status: 200, headers: xml, body }, fault };
    }
    case 'reset':
      return 'dropped';
    case 'hang':
      await closed(response);
      return 'gone';
    case undefined:
    case 'reset-after':
    case 'cut':
    case 'stall':
    case 'corrupt':
    case 'refuse-keys':
      break;
  }
  try {
    const refuses = fault?.kind === 'refuse-keys' ? fault.code : undefined;
    const reply = await execute(host, request, asked, refuses);
    if (fault?.kind !== 'reset-after') return { reply, fault };
    release(host, reply);
    return 'dropped';
  } catch (cause) {
    if (request.destroyed && !request.complete) return 'gone';
    if (!(cause instanceof S3Error)) {
      const body = error(
        'InternalError',
        cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
      );
      return { reply: { status: 500, headers: xml, body }, fault };
    }
    if (cause.code === 'NotModified') return { reply: { status: cause.status }, fault };
    const body = error(cause.code, cause.message, cause.details);
    return { reply: { status: cause.status, headers: xml, body }, fault };
  }
}

async function execute(
  host: Host,
  request: IncomingMessage,
  { logged, address }: Asked,
  refuses: Call['refuses'],
): Promise<Reply> {
  if (address instanceof S3Error) throw address;
  const { headers, method = '', url = '/' } = request;
  const { operation } = logged;
  const signer = host.credentials && authenticate({ method, url, headers }, host.credentials, host.now());
  if (operation === 'Other') throw refusal(method, address);
  const about = operation === 'CompleteMultipartUpload' ? 'object' : 'body';
  const call: Call = {
    ...address,
    operation,
    headers,
    store: host.store,
    refuses,
    now: () => Math.floor(host.now().getTime() / 1000) * 1000,
    receive: (sink) => receiveBody(request, { signer, about }, sink),
  };
  return HANDLERS[operation](call);
}
