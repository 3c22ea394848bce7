import { flushCompileCache } from 'node:module';
import { connect } from '../../../lambda/s3/connection.ts';
import { run } from '../../../lambda/run.ts';
import { DESTINATION, SMALL, SOURCE } from './watched-bucket.ts';

/**
 * A process that runs the hour when it is told to, and is there to be killed: a line of JSON on stdin says how. Its
 * modules are loaded before that, so that many can be killed in a minute.
 */
interface Order {
  endpoint: string;
  repack: boolean;
  targetSize: number;
  codec: 'keep' | 'none';
  headerLines: number;
}

// The SDK loads modules when a first request is sent: one to nobody does that before this process is asked for.
const nobody = connect({ settings: SMALL, endpointUrl: 'http://127.0.0.1:1', timeouts: { retries: 0 } });
await nobody.store.head({ bucket: SOURCE.bucket, key: 'a' }).catch(() => undefined);
nobody.close();

// Nothing writes it when this process is killed.
flushCompileCache();
process.stdout.write('ready\n');
process.stdin.once('data', (line: Buffer) => {
  const { endpoint, repack, targetSize, codec, headerLines } = JSON.parse(line.toString()) as Order;
  const settings = { ...SMALL, targetSize, codec, headerLines };
  const connection = connect({ settings, endpointUrl: endpoint });
  const request = { source: SOURCE, destination: DESTINATION, repack };
  void run(request, connection, { settings }).then(
    ({ status }) => process.stdout.write(`${status}\n`, () => process.exit(0)),
    (error: unknown) => process.stdout.write(`${String(error)}\n`, () => process.exit(1)),
  );
});
