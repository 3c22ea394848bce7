import { describe, expect, it } from 'vitest';
import { AGGREGATED, Interleaving, RAW, type RunPlan } from './support/interleaving.ts';
import { readRollup } from './support/reader.ts';

/** A run that goes on only as far as it is told to. */
function stepped(hour: Interleaving, plan: Partial<RunPlan> = {}) {
  let stop: RegExp | undefined;
  let reached = Promise.withResolvers<undefined>();
  let held = Promise.withResolvers<undefined>();
  const end = hour.run(plan, async (what) => {
    await Promise.resolve();
    if (stop?.test(what) !== true) return;
    reached.resolve(undefined);
    await held.promise;
  });
  const goOn = (to: RegExp | undefined): void => {
    stop = to;
    const last = held;
    [reached, held] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    last.resolve(undefined);
  };
  return {
    /** Goes on until it is about to do this. */
    until: async (step: RegExp) => {
      goOn(step);
      const ended = end.then((how) => {
        throw new Error(`It ended as ${how} before ${String(step)}.`);
      });
      await Promise.race([reached.promise, ended]);
    },
    finish: () => {
      goOn(undefined);
      return end;
    },
  };
}

const COMMIT = /^put .*_manifest\.json/;

function openHour(): Interleaving {
  const hour = new Interleaving('of content');
  hour.apply({ type: 'put', name: 'a', size: 20 });
  return hour;
}

/** A run that has written an output of a late arrival, and is about to commit where an empty run just did. */
async function loserToAnEmptyRun(hour: Interleaving): Promise<ReturnType<typeof stepped>> {
  const empty = stepped(hour);
  await empty.until(COMMIT);
  hour.apply({ type: 'put', name: 'a', size: 20 });
  const loser = stepped(hour);
  await loser.until(COMMIT);
  expect(await empty.finish()).toBe('empty');
  return loser;
}

describe('counter-examples that were found', () => {
  it('a repack that lost to a sweep deletes nothing that a run planned since counts on', async () => {
    const hour = openHour();
    await hour.run();
    hour.bucket.put(`${AGGREGATED}part-00099-0123456789ab.log`, Buffer.from('leftover'));
    hour.apply({ type: 'two hours pass' });

    const sweeper = stepped(hour);
    // It has found nothing new, and is about to raise the generation.
    await sweeper.until(COMMIT);
    hour.apply({ type: 'put', name: 'z', size: 9 });
    const repacker = stepped(hour, { repack: true });
    // Its first output has the index of the one that is committed, its second holds the late source alone.
    await repacker.until(COMMIT);
    expect(await sweeper.finish()).toBe('unchanged');
    const adder = stepped(hour);
    // Its one output, at the second index, holds the late source alone, too.
    await adder.until(COMMIT);
    // Sees that it lost, tidies up, and is about to plan again.
    await repacker.until(/^get .*_manifest/);
    await repacker.until(/^delete/);
    await repacker.until(/^list raw/);
    expect(await adder.finish()).toBe('committed');
    expect(hour.watch.violations).toEqual(new Set());
    expect(await repacker.finish()).toBe('committed');
    expect(await hour.settle()).toEqual([]);
  });

  it('a loser deletes nothing after one empty manifest was replaced by another', async () => {
    const hour = new Interleaving('of content');
    expect(await hour.run({ mistyped: true })).toBe('empty');
    const loser = await loserToAnEmptyRun(hour);
    // Sees that it lost, and is about to delete its output.
    await loser.until(/^delete/);
    expect(await hour.run({ deletes: true })).toBe('committed');
    expect(hour.bucket.keys(RAW)).toEqual([]);
    expect(await loser.finish()).toBe('unchanged');
    expect(hour.watch.violations).toEqual(new Set());
    expect(readRollup(hour.bucket, AGGREGATED)?.problems).toEqual([]);
    expect(await hour.settle()).toEqual([]);
  });

  it('a loser deletes nothing where the manifest that it lost to was deleted by hand', async () => {
    const hour = new Interleaving('of content');
    const loser = await loserToAnEmptyRun(hour);
    // Sees that it lost, and is about to look at what stands.
    await loser.until(/^get .*_manifest/);
    hour.apply({ type: 'the manifest is deleted by hand' });
    // Planned from nothing again, it finds the loser's output.
    expect(await hour.run({ deletes: true })).toBe('committed');
    expect(await loser.finish()).toBe('unchanged');
    expect(hour.watch.violations).toEqual(new Set());
    expect(await hour.settle()).toEqual([]);
  });

  it('a loser deletes nothing while no manifest stands, because a run that plans from nothing counts on its output', async () => {
    const hour = new Interleaving('of content');
    const loser = await loserToAnEmptyRun(hour);
    // Sees that the manifest is not its own, reads what won, and is about to look once more before it deletes.
    for (let read = 1; read <= 3; read++) await loser.until(/^get .*_manifest/);
    hour.apply({ type: 'the manifest is deleted by hand' });
    const next = stepped(hour, { deletes: true });
    // Planned from nothing again, it has found the loser's output.
    await next.until(COMMIT);
    await loser.until(/^list/);
    expect(await next.finish()).toBe('committed');
    expect(await loser.finish()).toBe('unchanged');
    expect(hour.watch.violations).toEqual(new Set());
    expect(await hour.settle()).toEqual([]);
  });

  it('a slow first run commits nothing that was replaced under a manifest which was deleted by hand', async () => {
    const hour = openHour();
    const slow = stepped(hour);
    await slow.until(/^put .*_sources/);
    await hour.run();
    hour.apply({ type: 'put', name: 'a', size: 9 });
    expect(await hour.run()).toBe('committed');
    hour.apply({ type: 'the manifest is deleted by hand' });
    expect(await slow.finish()).toBe('OutputMissing');
    expect(hour.watch.violations).toEqual(new Set());
    expect(await hour.settle()).toEqual([]);
  });

  it('an upload that a killed run left open is ended although nothing new ever comes', async () => {
    const hour = openHour();
    await hour.run();
    hour.apply({ type: 'put', name: 'b', size: 9 });
    await stepped(hour, { repack: true }).until(/^complete/);
    expect(hour.bucket.uploads.size).toBe(1);
    hour.apply({ type: 'expire', name: 'b' });
    expect(await hour.run()).toBe('unchanged');
    expect(hour.bucket.uploads.size).toBe(1);
    hour.apply({ type: 'two hours pass' });
    expect(await hour.run()).toBe('unchanged');
    expect(hour.bucket.uploads.size).toBe(0);
    expect(await hour.settle()).toEqual([]);
  });

  it('a loser deletes nothing that a run planned from the winner counts on', async () => {
    const hour = new Interleaving('of content');
    const sizes = { a: 9, b: 3, c: 7, d: 3 };
    for (const [name, size] of Object.entries(sizes)) hour.apply({ type: 'put', name, size });
    // Writes every source into an output of its own, the last one as the fourth; the winner, all of them into one.
    const loser = stepped(hour, { targetSize: 4 });
    await loser.until(COMMIT);
    expect(await hour.run({ targetSize: 100 })).toBe('committed');
    hour.apply({ type: 'put', name: 'c', size: 7 });
    // The winner's output is unsealed. This one's fourth output, behind that, holds the last source alone too.
    const next = stepped(hour, { targetSize: 9 });
    await next.until(COMMIT);
    await loser.until(/^delete/);
    await loser.until(/^list raw/);
    expect(await next.finish()).toBe('committed');
    expect(hour.watch.violations).toEqual(new Set());
    await loser.finish();
    expect(await hour.settle()).toEqual([]);
  });

  it('a run that was slow for hours commits nothing that was swept meanwhile', async () => {
    const hour = openHour();
    await hour.run();
    hour.apply({ type: 'put', name: 'b', size: 9 });
    const slow = stepped(hour);
    await slow.until(COMMIT);
    hour.apply({ type: 'two hours pass' });
    hour.apply({ type: 'expire', name: 'b' });
    expect(await hour.run()).toBe('unchanged');
    expect(await slow.finish()).toBe('unchanged');
    expect(await hour.settle()).toEqual([]);
  });
});

describe('a sweep', () => {
  it.each([
    ['leaves alone', 59, 1],
    ['deletes', 61, 0],
  ])('%s what was written %i minutes ago', async (_, minutes, left) => {
    const hour = openHour();
    await hour.run();
    const key = `${AGGREGATED}part-00099-0123456789ab.log`;
    hour.bucket.put(key, Buffer.from('leftover'));
    hour.bucket.begin({ bucket: 'b', key });
    hour.bucket.now = new Date(hour.bucket.now.getTime() + minutes * 60_000);
    expect(await hour.run()).toBe('unchanged');
    expect(hour.bucket.keys(key)).toHaveLength(left);
    expect(hour.bucket.uploads.size).toBe(left);
  });
});
