import { describe, expect, it } from 'vitest';
import { fanOutDefinition } from '../../../lib/fan-out-definition.ts';
import { Execution, type StatesWorld } from '../../support/states.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

describe('executions at once', () => {
  /** An hour of 300,000 objects, 154 batches, carried out by a function with so many slots. */
  async function runHours(hours: number, { slots, batchSeconds }: { slots: number; batchSeconds: number }) {
    const time = new VirtualTime();
    let running = 0;
    let throttled = 0;
    let mostAtOnce = 0;
    const definition = fanOutDefinition({ functionArn: 'steps', batch: 32, timeoutSeconds: 900 });
    const items = Buffer.from('{}\n'.repeat(154 * 32));
    const reached: StatesWorld = {
      invoke: async (_, payload) => {
        if (running >= slots) {
          throttled++;
          throw Object.assign(new Error('Rate exceeded'), { name: 'Lambda.TooManyRequestsException' });
        }
        running++;
        mostAtOnce = Math.max(mostAtOnce, running);
        const { step } = payload as { step: string };
        await time.sleep(step === 'write' ? batchSeconds : 17);
        running--;
        if (step === 'commit') return { status: 'done' };
        return {
          status: 'planned',
          plan: 'p',
          etag: 'e',
          bucket: 'b',
          items: 'i',
          workers: 20,
          attempt: 1,
          generation: 0,
        };
      },
      getObject: () => items,
      wait: (seconds) => time.sleep(seconds),
      now: () => time.now,
      random: pseudoRandom(7),
    };
    const runs = Array.from({ length: hours }, () =>
      new Execution(definition, { stream: 'checkout', hour: '2025-11-21T08' }, reached).run(),
    );
    const ends = await time.run(Promise.all(runs));
    return { statuses: ends.map(({ status }) => status), seconds: time.now, throttled, mostAtOnce };
  }

  /** Numbers from 0 to 1, the same in every run (Park and Miller). */
  function pseudoRandom(seed: number): () => number {
    let state = seed;
    return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  }

  it('24 large hours share the slots of the function, and all end well', async () => {
    const { statuses, seconds, throttled, mostAtOnce } = await runHours(24, { slots: 22, batchSeconds: 21 });
    expect(statuses).toEqual(Array.from({ length: 24 }, () => 'SUCCEEDED'));
    expect(throttled).toBeGreaterThan(1_000);
    expect(mostAtOnce).toBe(22);
    // 154 batches of 21 s on 22 slots, 24 times: the waits leave slots free for a tenth of the time at most.
    const least = (24 * 154 * 21) / 22;
    expect(seconds).toBeGreaterThan(least);
    expect(seconds).toBeLessThan(1.1 * least);
  });

  it('end as timed out where there is no room for days', async () => {
    const { statuses, seconds } = await runHours(1, { slots: 0, batchSeconds: 21 });
    expect(statuses).toEqual(['TIMED_OUT']);
    expect(seconds).toBeGreaterThan(3 * 86_400);
    expect(seconds).toBeLessThan(3 * 86_400 + 120);
  });
});
