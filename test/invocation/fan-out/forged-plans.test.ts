import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createStepInvocation } from '../../../lambda/invocation/step-invocation.ts';
import { fanOutDefinition } from '../../../lib/fan-out-definition.ts';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { Execution, type StatesWorld } from '../../support/states.ts';
import { BUCKET, TEMPLATE, environmentOf, rawPrefix } from '../support/raw-logs.ts';
import { CONTEXT } from '../support/step-context.ts';

// The modules below read these when they are loaded.
vi.hoisted(() => {
  process.env['POWERTOOLS_LOG_LEVEL'] = 'SILENT';
  process.env['POWERTOOLS_METRICS_DISABLED'] = 'true';
});

const DEFINITION = fanOutDefinition({ functionArn: 'steps', batch: 2, timeoutSeconds: 900 });
const REQUEST = { source: TEMPLATE, hour: '2025-11-21T08', stream: 'checkout' };
const PLANS = `${rawPrefix(8, 'aggregated')}_plan/`;
/** Prefix of another stream. Whoever may write under `PLANS` may neither read nor write here. */
const OTHER = 'aggregated/payments/20251121/08/';

let sandbox: Sandbox;
beforeEach(async () => {
  const now = new Date();
  sandbox = await startSandbox({ buckets: [BUCKET], now: () => now });
  const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };
  const environment = { ...environmentOf(sandbox), ...credentials, DELETE_SOURCE: 'true' };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  for (const name of ['a.log', 'b.log']) sandbox.put(BUCKET, rawPrefix(8) + name, `${name}\n`);
  sandbox.put(BUCKET, 'raw/payments/20251121/08/secret.log', 'secret\n');
  for (const name of ['_manifest.json', 'part-00000-0123456789ab.log'])
    sandbox.put(BUCKET, OTHER + name, '{}');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await sandbox.close();
});

type StepName = 'write' | 'commit';
interface Event {
  step: 'plan' | StepName;
  plan: string;
  etag: string;
}

/** The state machine, with a hook that changes S3 before the function or the map reads it. */
function world(between: (before: 'map' | StepName, event?: Event) => void): StatesWorld {
  const invocation = createStepInvocation(process.env);
  return {
    invoke: (_, payload) => {
      const event = payload as Event;
      if (event.step !== 'plan') between(event.step, event);
      return invocation.handle(event, CONTEXT);
    },
    getObject: (bucket, key) => {
      between('map');
      return sandbox.get(bucket, key);
    },
    wait: () => undefined,
    random: () => 0.5,
  };
}

const everything = () =>
  sandbox.keys(BUCKET, '').map((key) => [key, sandbox.get(BUCKET, key)?.toString('base64')]);

const planFile = (ending: string): string => {
  const found = sandbox.keys(BUCKET, PLANS).find((key) => /[^.]+(\..*)$/.exec(key)?.[1] === ending);
  if (found === undefined) throw new Error(`There is no ${ending}.`);
  return found;
};

/** Replaces text in one of the plan's files, and updates the ETag of the lines in the header. */
function forge(ending: string, ...[from, to]: [RegExp | string, string]): void {
  const edit = (key: string, text: RegExp | string, by: string): void => {
    const before = sandbox.get(BUCKET, key)?.toString() ?? '';
    expect(before.replace(text, by)).not.toBe(before);
    sandbox.put(BUCKET, key, before.replace(text, by));
  };
  const lines = planFile('.jsonl');
  const { etag: was = '' } = sandbox.head(BUCKET, lines) ?? {};
  edit(planFile(ending), from, to);
  const { etag: is = '', size = 0 } = sandbox.head(BUCKET, lines) ?? {};
  if (ending !== '.jsonl') return;
  edit(planFile('.json'), was, is);
  sandbox.put(
    BUCKET,
    planFile('.json'),
    (sandbox.get(BUCKET, planFile('.json'))?.toString() ?? '').replace(
      /("lines": \{[^}]*"size": )\d+/,
      `$1${size}`,
    ),
  );
}

/** Forged plans that are sound in themselves, as someone with write access could put them in place of the plan. */
const FORGERIES: [what: string, forge: () => void, named: string][] = [
  [
    'a key of another stream',
    () => {
      forge('.jsonl', /"key":"[^"]*"/, `"key":"${OTHER}_manifest.json"`);
    },
    `the output ${OTHER}_manifest.json has as its key`,
  ],
  [
    'an origin of another stream',
    () => {
      const from = {
        key: `${OTHER}part-00000-0123456789ab.log`,
        etag: 'e',
        offset: 0,
        length: 2,
        whole: true,
      };
      forge('.jsonl', ']]}', `,${JSON.stringify(from)}]]}`);
    },
    `from ${OTHER}part-00000-0123456789ab.log, which is no output`,
  ],
  [
    'a source of another stream',
    () => {
      forge('.json', 'raw/checkout/', 'raw/payments/');
    },
    'its source is s3://application-logs/raw/payments/',
  ],
  [
    'a destination of another stream',
    () => {
      forge('.json', 'aggregated/checkout/', 'aggregated/payments/');
    },
    'its destination is s3://application-logs/aggregated/payments/',
  ],
  [
    'a previous manifest that never was',
    () => {
      forge('.json', '"previous": null', '"previous": "never"');
    },
    'has as its key',
  ],
  [
    'a generation of its own',
    () => {
      forge('.json', '"generation": 0', '"generation": 1');
    },
    'its generation is 1',
  ],
];

describe('an execution', () => {
  describe.each(['write', 'commit'] as const)('whose plan is swapped before the step %s', (step) => {
    it.each(FORGERIES)('for one with %s fails, and nothing is touched', async (_, swap) => {
      let before: unknown[] | undefined;
      const execution = new Execution(
        DEFINITION,
        REQUEST,
        world((at) => {
          if (at !== step || before !== undefined) return;
          swap();
          before = everything();
          sandbox.clearRequests();
        }),
      );
      const error = step === 'write' ? 'States.ExceedToleratedFailureThreshold' : 'BadPlan';
      expect(await execution.run()).toEqual({ status: 'FAILED', error });
      expect(everything()).toEqual(before);
      expect(sandbox.requests.filter(({ key = '' }) => key.includes('payments'))).toEqual([]);
      // A redrive fails too: it requests the same plan.
      expect(await execution.run()).toEqual({ status: 'FAILED', error });
      expect(everything()).toEqual(before);
    });

    it.each(FORGERIES)(
      'for one with %s, whose ETag the step is even given, fails or gives up, and nothing is touched',
      async (what, swap, named) => {
        let failure: unknown;
        const invocation = createStepInvocation(process.env);
        const reached = world(() => undefined);
        const stopped = new Execution(DEFINITION, REQUEST, {
          ...reached,
          invoke: async (name, payload) => {
            const event = payload as Event;
            if (event.step !== step) return reached.invoke(name, payload);
            swap();
            const { etag = '' } = sandbox.head(BUCKET, planFile('.json')) ?? {};
            const before = everything();
            const { size: length = 0 } = sandbox.head(BUCKET, planFile('.jsonl')) ?? {};
            const items = step === 'write' ? { items: [{ plan: event.plan, offset: 0, length }] } : {};
            failure = await invocation
              .handle({ ...event, etag, ...items }, CONTEXT)
              .catch((error: unknown) => error);
            expect(everything()).toEqual(before);
            throw new Error('That is all.');
          },
        });
        expect(await stopped.run()).toMatchObject({ status: 'FAILED' });
        // The run treats it as lost: the manifest was replaced, and nobody needs these outputs.
        if (step === 'write' && what === 'a previous manifest that never was')
          expect(failure).toEqual({ status: 'lost' });
        else
          expect(failure).toMatchObject({
            name: 'BadPlan',
            message: expect.stringContaining(named) as string,
          });
      },
    );
  });

  it.each([
    ['another plan', /"plan":"[^"]*"/, `"plan":"s3://${BUCKET}/${OTHER}_plan/0123456789abcdef.json"`],
    ['bytes that are no line', /"offset":0/, '"offset":1'],
    ['bytes past the lines', /"length":\d+/, '"length":99999'],
  ])('whose items are swapped for those of %s fails, and nothing is touched', async (_, from, to) => {
    let before: unknown[] | undefined;
    const between = (at: string): void => {
      if (at !== 'map' || before !== undefined) return;
      forge('.items.jsonl', from, to);
      before = everything();
    };
    expect(await new Execution(DEFINITION, REQUEST, world(between)).run()).toEqual({
      status: 'FAILED',
      error: 'States.ExceedToleratedFailureThreshold',
    });
    expect(everything()).toEqual(before);
  });

  it.each(['write', 'commit'] as const)(
    'that an earlier release began is refused at its step %s: it does not say what its plan must be',
    async (step) => {
      const invocation = createStepInvocation(process.env);
      const plan = `s3://${BUCKET}/${PLANS}0123456789abcdef.json`;
      const events = {
        write: { step, items: [{ plan, offset: 0, length: 1 }] },
        commit: { step, request: REQUEST, plan, attempt: 1 },
      };
      const before = everything();
      await expect(invocation.handle(events[step], CONTEXT)).rejects.toMatchObject({
        name: 'BadPlan',
        message: expect.stringContaining('start the rollup again') as string,
      });
      expect(everything()).toEqual(before);
    },
  );
});
