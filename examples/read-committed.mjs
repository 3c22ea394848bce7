/**
 * Reads the committed lines of one rollup, by its manifest, and no others: not those of outputs that no run has committed.
 *
 *   node examples/read-committed.mjs s3://application-logs/aggregated/checkout/20261121/08/ | head
 *
 * Needs @aws-sdk/client-s3, and Node 22.15 or later for zstd. Region, credentials and endpoint come as the SDK finds them.
 */
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

/** Yields each line, without its newline. One output is in memory at a time, some 32 MiB as it is stored. */
export async function* committedLines(client, bucket, prefix) {
  const get = async (key, etag) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key, IfMatch: etag }));
    return Buffer.from(await Body.transformToByteArray());
  };
  const manifest = JSON.parse(await get(`${prefix}_manifest.json`));
  for (const { key, etag } of manifest.outputs) {
    // An output that is gone, or another: a later commit replaced it. Read from the manifest again.
    const text = decoded(key, await get(key, etag)).toString();
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    yield* lines;
  }
}

function decoded(key, body) {
  if (/\.(bz2|xz)$/.test(key)) throw new Error(`${key}: Node has no decoder for it.`);
  if (key.endsWith('.gz')) return gunzipSync(body);
  if (!key.endsWith('.zst')) return body;
  // Node's decoder ends with the first frame. Sources that are joined as they are have one frame each.
  const frames = [];
  for (let rest = body; rest.length > 0;) {
    const { buffer, engine } = zstdDecompressSync(rest, { info: true });
    if (engine.bytesWritten === 0) throw new Error(`${key}: no zstd behind a frame.`);
    frames.push(buffer);
    rest = rest.subarray(engine.bytesWritten);
  }
  return Buffer.concat(frames);
}

if (import.meta.main ?? process.argv[1] === import.meta.filename) {
  const { hostname, pathname } = new URL(process.argv[2]);
  const endpoint = process.env.AWS_ENDPOINT_URL;
  const client = new S3Client(endpoint === undefined ? {} : { endpoint, forcePathStyle: true });
  for await (const line of committedLines(client, hostname, decodeURIComponent(pathname.slice(1)))) {
    if (!process.stdout.write(`${line}\n`))
      await new Promise((resolve) => process.stdout.once('drain', resolve));
  }
}
