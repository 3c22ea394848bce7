import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect as dial, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import { run } from '../../lambda/run.ts';
import { connect } from '../../lambda/s3/connection.ts';
import { DEFAULT_SETTINGS } from '../../lambda/settings/settings.ts';
import { MiB } from '../../lambda/size.ts';
import { seeded } from '../support/test-bucket.ts';

/** A store that is attacked: any S3, by its endpoint. */
export interface AttackedStore {
  endpoint: string;
  /** A shell command that ends the store without warning and starts it again. */
  restart: string | undefined;
}

/** Names with what stores and listings get wrong. */
const ODD = [' two  words ', 'a+b', '100%', 'a%2Fb', `q'"<&>`, 'ü€𝄞', 'a%20b+c'];
const SETTINGS = { ...DEFAULT_SETTINGS, targetSize: 5 * MiB, partSize: 5 * MiB };
const CODECS = ['keep', 'none', 'gzip', 'zstd'] as const;
/** Behind the sweep's hour: what a killed run left is then old. */
const LATER_MS = 2 * 60 * 60 * 1000;

/** The attacks on one store. Each returns what it found wrong: an empty list if nothing is lost, duplicated or orphaned. */
export class StoreTrials {
  readonly ends = new Map<string, number>();
  readonly #store: AttackedStore;
  readonly #client: S3Client;
  readonly #bucket = `soak-${randomUUID().slice(0, 8)}`;
  #trial = 0;

  constructor(store: AttackedStore) {
    this.#store = store;
    const { AWS_REGION: region = 'us-east-1' } = process.env;
    this.#client = new S3Client({ endpoint: store.endpoint, region, forcePathStyle: true, maxAttempts: 30 });
  }

  async open(): Promise<void> {
    await this.#client.send(new CreateBucketCommand({ Bucket: this.#bucket }));
  }

  get kinds(): Record<string, (seed: number) => Promise<string[]>> {
    return {
      ...(this.#store.restart === undefined ? {} : { restarts: (seed) => this.#restarts(seed) }),
      crashes: (seed) => this.#crashes(seed),
      races: (seed) => this.#races(seed),
      faults: (seed) => this.#faults(seed),
      deletes: (seed) => this.#deletes(seed),
    };
  }

  async #restarts(seed: number): Promise<string[]> {
    const hour = await this.#hour(seed);
    const { random } = hour;
    const running = this.#command(hour, []);
    await sleep(350 + random(900));
    const shell = spawn('sh', ['-c', this.#store.restart ?? ''], { stdio: 'ignore', detached: true });
    await once(shell, 'exit');
    await this.#awaitStore();
    const code = await running.ended;
    // The store may have been away before it had answered once.
    const early = code !== 0 && !/after 5 attempts/.test(running.stderr());
    const failed = early ? [`a run ended with ${code}: ${running.stderr().slice(-200)}`] : [];
    return [...failed, ...(await this.#settle(hour))];
  }

  async #crashes(seed: number): Promise<string[]> {
    const hour = await this.#hour(seed);
    for (let kill = 0; kill < 3; kill++) {
      const running = this.#command(hour, hour.random(3) === 0 ? ['--repack'] : []);
      await sleep(300 + hour.random(500));
      running.child.kill('SIGKILL');
      await running.ended;
      await hour.change();
    }
    return this.#settle(hour);
  }

  async #races(seed: number): Promise<string[]> {
    const hour = await this.#hour(seed);
    const runs = [];
    for (let i = 0; i < 3; i++) {
      runs.push(this.#command(hour, i === 2 ? ['--repack'] : []));
      await hour.change();
    }
    await Promise.all(runs.map(({ ended }) => ended));
    return this.#settle(hour);
  }

  /** A proxy between run and store cuts connections as it likes. */
  async #faults(seed: number): Promise<string[]> {
    const hour = await this.#hour(seed);
    const { hostname, port } = new URL(this.#store.endpoint);
    const sockets = new Set<Socket>();
    const proxy = createServer((near) => {
      const far = dial(Number(port), hostname);
      near.pipe(far).pipe(near);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(one);
        one.on('error', () => undefined).on('close', () => other.destroy());
      }
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const cutting = setInterval(() => {
      const all = [...sockets].filter(({ destroyed }) => !destroyed);
      for (const socket of hour.random(6) === 0 ? all : all.slice(hour.random(all.length + 1)).slice(0, 2))
        socket.resetAndDestroy();
    }, 60);
    const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    await this.#command(hour, [], endpoint).ended;
    clearInterval(cutting);
    for (const socket of sockets) socket.destroy();
    proxy.close();
    return this.#settle(hour);
  }

  async #deletes(seed: number): Promise<string[]> {
    const hour = await this.#hour(seed);
    await this.#command(hour, []).ended;
    const running = this.#command(hour, ['--delete-source']);
    await sleep(200 + hour.random(300));
    for (let i = 0; i < 20; i++) await hour.overwrite();
    await running.ended;
    return this.#settle(hour);
  }

  /** Writes an hour of sources, some large, some with odd names. */
  async #hour(seed: number) {
    const random = seeded(seed);
    const source = `raw-${++this.#trial}/`;
    const destination = `rolled-${this.#trial}/`;
    const written = new Map<string, string>();
    const put = async (name: string, size: number): Promise<void> => {
      const letters = Buffer.alloc(size, `${name} ${random(1_000_000)} ${seed}\n`);
      for (let i = 0; i < size; i += 7) letters[i] = 33 + random(90);
      letters[size - 1] = 10;
      const input = { Bucket: this.#bucket, Key: source + name, Body: letters };
      await this.#client.send(new PutObjectCommand(input));
      written.set(source + name, digest(letters));
    };
    for (let i = 0; i < 40; i++) await put(`${String(i).padStart(3, '0')}.log`, 50 + random(300_000));
    for (const name of ODD) await put(name, 50 + random(5_000));
    await put('large.log', 6 * MiB);
    const overwrite = () => put(`${String(random(40)).padStart(3, '0')}.log`, 50 + random(5_000));
    const change = async (): Promise<void> => {
      await put(`late-${random(1_000_000)}.log`, 50 + random(5_000));
      await overwrite();
    };
    return { random, source, destination, written, change, overwrite, codec: CODECS[random(4)] ?? 'keep' };
  }

  #command(
    { source, destination, codec }: { source: string; destination: string; codec: string },
    more: string[],
    endpoint = this.#store.endpoint,
  ) {
    const at = [`s3://${this.#bucket}/${source}`, `s3://${this.#bucket}/${destination}`];
    const sizes = ['--target-size', '5MiB', '--part-size', '5MiB', '--codec', codec];
    const args = ['bin/s3-rollup.ts', 'run', ...at, '--endpoint-url', endpoint, '--json', ...sizes, ...more];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const ended = once(child, 'exit').then(([code]) => {
      const end = `${more.join(' ') || 'run'}: ${String(code ?? 'killed')}`;
      this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
      return code as number | null;
    });
    return { child, ended, stderr: () => text };
  }

  /** Runs once more, later than the sweep waits, and looks at everything that is there then. */
  async #settle(hour: {
    source: string;
    destination: string;
    written: Map<string, string>;
    codec: (typeof CODECS)[number];
  }): Promise<string[]> {
    const settings = { ...SETTINGS, codec: hour.codec };
    const connection = connect({ settings, endpointUrl: this.#store.endpoint });
    const at = (prefix: string) => ({ bucket: this.#bucket, prefix });
    const request = { source: at(hour.source), destination: at(hour.destination) };
    try {
      const now = () => new Date(Date.now() + LATER_MS);
      await run(request, connection, { settings, now });
      await run(request, connection, { settings, now });
    } finally {
      connection.close();
    }
    return this.#problems(hour);
  }

  async #problems(hour: {
    source: string;
    destination: string;
    written: Map<string, string>;
  }): Promise<string[]> {
    const problems: string[] = [];
    const manifest = JSON.parse((await this.#get(`${hour.destination}_manifest.json`)).toString()) as {
      outputs: { key: string; codec?: string }[];
      sources: { key: string };
    };
    const lines = gunzipSync(await this.#get(manifest.sources.key))
      .toString()
      .trimEnd()
      .split('\n');
    const texts = new Map<string, Buffer>();
    const { decode } = await import('../../lambda/rollup/codec/decode.ts');
    for (const { key, codec } of manifest.outputs) {
      const body = await this.#get(key);
      const chunks = codec === 'gzip' || codec === 'zstd' ? decode(codec, one(body), key) : one(body);
      const parts: Buffer[] = [];
      for await (const chunk of chunks) parts.push(Buffer.from(chunk));
      texts.set(key, Buffer.concat(parts));
    }
    const seen = new Set<string>();
    for (const line of lines.filter((text) => text !== '')) {
      const { key, output, offset, length } = JSON.parse(line) as Indexed;
      if (seen.has(key)) problems.push(`${key} is there twice`);
      seen.add(key);
      const bytes = texts.get(output)?.subarray(offset, offset + length) ?? Buffer.alloc(0);
      if (digest(bytes) !== hour.written.get(key)) problems.push(`${key} is lost: other bytes are committed`);
    }
    for (const key of hour.written.keys()) if (!seen.has(key)) problems.push(`${key} is missing`);
    const named = new Set([...manifest.outputs.map(({ key }) => key), manifest.sources.key]);
    const pages = paginateListObjectsV2(
      { client: this.#client },
      { Bucket: this.#bucket, Prefix: hour.destination },
    );
    for await (const { Contents = [] } of pages)
      for (const { Key = '' } of Contents)
        if (!named.has(Key) && !Key.endsWith('/_manifest.json')) problems.push(`${Key} is an orphan`);
    const { Uploads = [] } = await this.#client.send(
      new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: hour.destination }),
    );
    for (const { Key = '' } of Uploads) problems.push(`${Key} has an open upload`);
    return problems;
  }

  async #get(key: string): Promise<Buffer> {
    const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  /** Waits until the store answers. */
  async #awaitStore(): Promise<void> {
    for (let attempt = 0; attempt < 100; attempt++) {
      try {
        await this.#client.send(new ListMultipartUploadsCommand({ Bucket: this.#bucket }));
        return;
      } catch {
        await sleep(200);
      }
    }
  }
}

interface Indexed {
  key: string;
  output: string;
  offset: number;
  length: number;
}

async function* one(body: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(body);
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
