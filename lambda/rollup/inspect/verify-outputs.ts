import { type OutputSources, sourcesByOutput } from '../committed/sources-of-output.ts';
import { FirstFailure } from '../../concurrency.ts';
import type { Rollup } from '../model/manifest.ts';
import type { VerifyProblem, VerifyContext } from './report.ts';

/** Sources whose lines are held for outputs that are being checked; those of one output in any case. */
const MOST_HELD = 50_000;

/** Checks every output, several at once, as the index comes to them. The problems are in the order of the manifest. */
export async function checkOutputs(
  { manifest, sources }: Rollup,
  { concurrency, signal }: Pick<VerifyContext, 'concurrency' | 'signal'>,
  check: (frames: OutputSources) => Promise<VerifyProblem[]>,
): Promise<VerifyProblem[]> {
  const problems = new Map<string, Promise<VerifyProblem[]>>();
  const stop = new AbortController();
  const failures = new FirstFailure(stop);
  const underWay = new Set<Promise<unknown>>();
  let held = 0;
  const begin = async (frames: OutputSources): Promise<void> => {
    const length = frames.sources.length;
    while (underWay.size >= concurrency || (underWay.size > 0 && held + length > MOST_HELD))
      await Promise.race(underWay);
    failures.throwIfFailed();
    held += length;
    const checking = failures.watch(check(frames));
    const ended = checking
      .catch(() => undefined)
      .then(() => {
        held -= length;
        underWay.delete(ended);
      });
    underWay.add(ended);
    const { key } = frames.output;
    // One whose sources are told of in two places: what was found first says so.
    if (!problems.has(key)) problems.set(key, checking);
  };
  try {
    for await (const frames of sourcesByOutput(manifest.outputs, sources.stored(signal))) await begin(frames);
    for (const output of manifest.outputs)
      if (!problems.has(output.key)) await begin({ output, sources: [] });
  } finally {
    await Promise.all(underWay);
    failures.throwIfAny();
  }
  return (
    await Promise.all(manifest.outputs.map(({ key }) => problems.get(key) ?? Promise.resolve([])))
  ).flat();
}
