import { type RunFigures, parseFigures } from '../../lambda/rollup/index.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';

/** What the run that wrote a manifest left with it. */
export function figuresOf(sandbox: Sandbox, bucket: string, manifestKey: string): RunFigures | undefined {
  const run = sandbox.attributes(bucket, manifestKey)?.headers['x-amz-meta-run'];
  return parseFigures(run === undefined ? {} : { run });
}
