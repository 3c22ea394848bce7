import { run } from '../../lambda/run.ts';
import { connect } from '../../lambda/s3/connection.ts';
import type { Job } from './variant.ts';

/** s3-log-rollup, run as by its command line and its function. */
export async function rollup({ bucket, source, destination, settings }: Job): Promise<void> {
  const connection = connect({ settings });
  const request = { source: { bucket, prefix: source }, destination: { bucket, prefix: destination } };
  const { status } = await run(request, connection, { settings });
  if (status !== 'committed') throw new Error(`The run ended as ${status}.`);
  connection.close();
}
