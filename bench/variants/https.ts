import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import { maxSockets } from '../../lambda/settings/settings.ts';
import { groupsOf, listAll, outputName, type Job } from './variant.ts';

/** Bytes of one write. Node holds several copies of larger ones. */
const SLICE = 256 * 1024;

/**
 * The least that Node's HTTP client needs: GETs into a buffer and PUTs of it over `node:https`, unsigned, without checksums,
 * retries or a manifest.
 */
export async function https({ bucket, source, destination, settings }: Job): Promise<void> {
  const endpoint = new URL(process.env['AWS_ENDPOINT_URL'] ?? '');
  const sockets = maxSockets(settings);
  // Separate agents for GET and PUT: Node's server ends a connection on which a body comes before it knows that its last
  // answer has gone out (HPE_PAUSED), and this program has no retries.
  const agents = {
    GET: new Agent({ keepAlive: true, maxSockets: sockets, maxFreeSockets: sockets }),
    PUT: new Agent({ keepAlive: true, maxSockets: settings.outputsInFlight }),
  };
  const downloads = pLimit(settings.concurrency);
  const begun = pLimit(settings.outputsInFlight);
  const buffers: Buffer[] = [];

  function send(method: 'GET' | 'PUT', path: string, body?: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-length': body.length };
      const { hostname, port } = endpoint;
      const sent = request({
        agent: agents[method],
        hostname,
        port,
        method,
        path: `/${bucket}${path}`,
        headers,
      });
      sent.once('response', resolve);
      sent.once('error', reject);
      if (body === undefined) sent.end();
      else pipeline(Readable.from(slices(body)), sent).catch(reject);
    });
  }

  async function get(key: string, into: Buffer): Promise<void> {
    let at = 0;
    await read(await send('GET', `/${key}`), (chunk) => {
      into.set(chunk, at);
      at += chunk.length;
    });
    if (at !== into.length) throw new Error(`${key} came with ${at} bytes.`);
  }

  const listed = await listAll(source, async (query) => textOf(await send('GET', query)));

  await Promise.all(
    groupsOf(listed, settings.targetSize).map((group, index) =>
      begun(async () => {
        const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(settings.targetSize + 1024 * 1024);
        let size = 0;
        await Promise.all(
          group.map((object) => {
            const place = buffer.subarray(size, (size += object.size));
            return downloads(() => get(object.key, place));
          }),
        );
        await textOf(await send('PUT', `/${destination}${outputName(index)}`, buffer.subarray(0, size)));
        buffers.push(buffer);
      }),
    ),
  );
  for (const agent of Object.values(agents)) agent.destroy();
}

function* slices(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += SLICE) yield body.subarray(at, at + SLICE);
}

/** Reads an answer to its end, and passes its chunks to `take`. */
function read(response: IncomingMessage, take: (chunk: Buffer) => void): Promise<void> {
  if (response.statusCode !== 200) throw new Error(`The server answered ${String(response.statusCode)}.`);
  return new Promise((resolve, reject) => {
    response.on('data', take);
    response.once('end', resolve);
    response.once('error', reject);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  await read(response, (chunk) => chunks.push(chunk));
  return Buffer.concat(chunks).toString();
}
