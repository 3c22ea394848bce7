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
import type { ObjectTable } from './storage/object-table.ts';
import { document, branch, leaf } from './http/xml.ts';

/** Everything that serving a request needs. The hook is read for every request, so that tests can replace it. */
export interface ServiceContext {
  table: ObjectTable;
  gauges: Gauges;
  credentials: readonly Credentials[] | undefined;
  now: () => Date;
  hook: () => Hook | undefined;
  log: (request: Omit<SandboxRequest, 'id'>) => SandboxRequest;
  rawSocket: (socket: Socket) => Socket;
}

/** `dropped`: the connection has to be reset. `gone`: the client has left. */
type Served = { reply: Reply; fault: Fault | undefined } | 'dropped' | 'gone';

/** Serves one request, from its headers to the last byte of the reply. */
export async function serve(
  context: ServiceContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { operation, address } = identify(request);
  const ended = context.gauges.began(operation === 'GetObject');
  response.once('close', ended);
  const logged = context.log(describe(request, operation, address));
  const requestId = logged.id.toString(16).toUpperCase().padStart(16, '0');
  const served = await answer(context, request, response, { logged, address, requestId });
  const socket = context.rawSocket(request.socket);
  if (served === 'gone') return;
  if (served === 'dropped') {
    socket.resetAndDestroy();
    return;
  }
  const { reply, fault } = served;
  try {
    response.setHeader('date', context.now().toUTCString());
    response.setHeader('server', 'AmazonS3');
    response.setHeader('x-amz-request-id', requestId);
    response.setHeader('x-amz-id-2', 'sandbox');
    await sendReply(response, reply, { content: context.table.content, fault, socket, last: ended });
    // Reads a refused body to its end: otherwise the connection could not be used again.
    if (!request.complete) request.resume();
  } finally {
    release(context, reply);
  }
}

function release({ table }: ServiceContext, { body }: Reply): void {
  if (body && !Buffer.isBuffer(body)) table.content.release(body.content);
}

interface Identified {
  operation: Operation;
  /** The parsed URL, or the error if it cannot be parsed. */
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
  context: ServiceContext,
  request: IncomingMessage,
  response: ServerResponse,
  asked: Asked,
): Promise<Served> {
  const resource = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const error = (code: string, message: string, details?: Record<string, string>) =>
    formatError({ code, message, resource, requestId: asked.requestId, ...(details && { details }) });
  const xml = { 'content-type': 'application/xml' };

  const fault = await context.hook()?.(asked.logged);
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
    case 'unannounced':
    case 'refuse-keys':
    case 'ignore-conditions':
    case 'ignore-checksums':
    case 'keys-as-they-are':
    case 'unkept':
      break;
  }
  try {
    const executed = await execute(context, request, asked, fault);
    const reply = fault?.kind === 'unkept' ? forget(context, asked, executed) : executed;
    if (fault?.kind !== 'reset-after') return { reply, fault };
    release(context, reply);
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
  context: ServiceContext,
  request: IncomingMessage,
  { logged, address }: Asked,
  fault: Fault | undefined,
): Promise<Reply> {
  if (address instanceof S3Error) throw address;
  const { method = '', url = '/' } = request;
  const ignoresConditions = fault?.kind === 'ignore-conditions';
  const headers = { ...request.headers };
  const { operation } = logged;
  const signer =
    context.credentials && authenticate({ method, url, headers }, context.credentials, context.now());
  if (operation === 'Other') throw refusal(method, address);
  const about = operation === 'CompleteMultipartUpload' ? 'object' : 'body';
  if (ignoresConditions) {
    if (fault.only !== 'if-none-match') delete headers['if-match'];
    if (fault.only !== 'if-match') delete headers['if-none-match'];
  }
  if (fault?.kind === 'keys-as-they-are') address.query.delete('encoding-type');
  const call: Call = {
    ...address,
    operation,
    headers,
    table: context.table,
    refuses: fault?.kind === 'refuse-keys' ? fault.code : undefined,
    ignoresConditions,
    now: () => Math.floor(context.now().getTime() / 1000) * 1000,
    receive: (sink) =>
      receiveBody(request, { signer, about, ignoresChecksum: fault?.kind === 'ignore-checksums' }, sink),
  };
  return HANDLERS[operation](call);
}

/** Takes the object that was just written away again, and the checksum out of the reply. */
function forget(
  { table }: ServiceContext,
  { address }: Asked,
  { body, headers = {}, ...reply }: Reply,
): Reply {
  if (!(address instanceof S3Error)) {
    const { bucket, key } = address;
    if (table.bucket(bucket).objects.has(key)) table.commit({ type: 'object-deleted', bucket, key });
  }
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith('x-amz-checksum-'));
  const bare = Buffer.isBuffer(body)
    ? Buffer.from(body.toString().replaceAll(/<(Checksum\w+)>[^<]*<\/\1>/g, ''))
    : body;
  return { ...reply, headers: Object.fromEntries(kept), ...(bare === undefined ? {} : { body: bare }) };
}
