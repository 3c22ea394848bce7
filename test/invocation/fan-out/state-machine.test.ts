import { createServer } from 'node:http';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { json } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { createInvocation } from '../../../lambda/invocation/invocation.ts';
import { ENV } from '../../../lambda/names.ts';
import { parseEvent } from '../../../lambda/invocation/request.ts';
import { createStepInvocation } from '../../../lambda/invocation/step-invocation.ts';
import { parseManifest } from '../../../lambda/rollup/model/manifest.ts';
import { fanOutDefinition } from '../../../lib/fan-out-definition.ts';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../../sandbox/sandbox.ts';
import { figuresOf } from '../../support/figures.ts';
import { isSample } from '../../support/hooks.ts';
import { Execution, type StatesWorld } from '../../support/states.ts';
import {
  AGGREGATED_ROOT,
  BUCKET,
  RAW_ROOT,
  TEMPLATE,
  environmentOf,
  outputKeys,
  outsideRequests,
  rawPrefix,
} from '../support/raw-logs.ts';
import { CONTEXT } from '../support/step-context.ts';

// The modules below read these when they are loaded.
vi.hoisted(() => {
  process.env['POWERTOOLS_LOG_LEVEL'] = 'SILENT';
  process.env['POWERTOOLS_METRICS_DISABLED'] = 'true';
});

const DEFINITION = fanOutDefinition({ functionArn: 'steps', batch: 2, timeoutSeconds: 900 });
const REQUEST = { source: TEMPLATE, hour: '2025-11-21T08', stream: 'checkout' };
const REPACK = { ...REQUEST, repack: true };
const AGGREGATED = rawPrefix(8, 'aggregated');
const KiB = 1024;

let sandbox: Sandbox;
const options: SandboxOptions = { buckets: [BUCKET] };
beforeEach(async () => {
  const now = new Date();
  sandbox = await startSandbox({ ...options, now: () => now });
  stubEnvironment(sandbox);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await sandbox.close();
});

function stubEnvironment(to: Sandbox, more: Record<string, string> = {}): void {
  const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };
  const environment = { ...environmentOf(to), ...credentials, ...more };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
}

/** 200 KiB each. Every third lacks its last newline. */
const BODIES = Array.from({ length: 120 }, (_, i) =>
  Buffer.from(`${i} `.padEnd(200 * KiB - 1, 'x') + (i % 3 === 0 ? 'x' : '\n')),
);

/** All of the bodies: five outputs, three batches. */
function putHour(to: Sandbox = sandbox, count = BODIES.length): void {
  for (const [i, body] of BODIES.slice(0, count).entries())
    to.put(BUCKET, `${rawPrefix(8)}${String(i).padStart(5, '0')}.log`, body);
}

/** The state machine over the sandbox, with the function's own code behind it. */
function world(
  onInvoke: (payload: unknown) => void | Promise<void> = () => undefined,
): StatesWorld & { waits: number[] } {
  const invocation = createStepInvocation(process.env);
  const waits: number[] = [];
  return {
    waits,
    invoke: async (functionName, payload) => {
      expect(functionName).toBe('steps');
      await onInvoke(payload);
      return invocation.handle(payload, CONTEXT);
    },
    getObject: (bucket, key) => sandbox.get(bucket, key),
    wait: (seconds) => {
      waits.push(seconds);
    },
    random: () => 0.5,
  };
}

const execute = (input: unknown = REQUEST, reached = world()) =>
  new Execution(DEFINITION, input, reached).run();

function committed(from: Sandbox): Map<string, unknown> {
  const keys = from.keys(BUCKET, AGGREGATED);
  return new Map(
    keys.map((key) => {
      const body = from.get(BUCKET, key)?.toString('latin1') ?? '';
      return [key, key.endsWith('_manifest.json') ? body.replace(/"createdAt": "[^"]*"/, '') : body];
    }),
  );
}

const isCommitted = (): boolean => sandbox.head(BUCKET, `${AGGREGATED}_manifest.json`) !== undefined;

it('the definition of the state machine is valid Amazon States Language', () => {
  // The validator has no types, and writes into its argument.
  const validate = createRequire(import.meta.url)('asl-validator') as (definition: unknown) => unknown;
  const broken = structuredClone(DEFINITION);
  broken.States.Plan.Next = 'Nowhere';
  expect(validate(broken)).toMatchObject({ isValid: false });
  expect(validate(structuredClone(DEFINITION))).toMatchObject({ isValid: true, errors: [] });
});

describe('an execution', () => {
  it('gives the same rollup as the single function, byte by byte', async () => {
    putHour();
    const alone = await startSandbox({
      ...options,
      now: () => new Date(sandbox.head(BUCKET, `${rawPrefix(8)}00000.log`)?.lastModified ?? NaN),
    });
    putHour(alone);
    expect(await execute()).toMatchObject({
      status: 'SUCCEEDED',
      output: { status: 'done', outcome: { status: 'committed', written: 5 } },
    });
    const memoryLimitBytes = 1_769 * KiB ** 2;
    const figures = figuresOf(sandbox, BUCKET, `${AGGREGATED}_manifest.json`);
    expect(figures).toMatchObject({ by: 'state-machine', continuations: 0, memoryLimitBytes });
    // The commit step knows of its own requests alone: it reads no source, and writes no output.
    expect(figures?.requests.get).toBeLessThan(10);
    stubEnvironment(alone);
    const single = createInvocation(process.env);
    for (const message of parseEvent(REQUEST))
      expect(await single.handle(message, CONTEXT)).toMatchObject({ status: 'committed', written: 5 });
    expect(committed(sandbox)).toEqual(committed(alone));
    await alone.close();
    // There is nothing new: the execution ends with its plan step.
    stubEnvironment(sandbox);
    const again = new Execution(DEFINITION, REQUEST, world());
    expect(await again.run()).toMatchObject({ output: { outcome: { status: 'unchanged' } } });
    expect(again.visited).toEqual(['Request', 'Plan', 'Planned', 'Done']);
  });

  it('plans again where a source is of another format than it was planned as', async () => {
    putHour();
    sandbox.put(BUCKET, `${rawPrefix(8)}00017.log`, gzipSync('one of gzip among plain ones\n'));
    const steps: unknown[] = [];
    const execution = new Execution(
      DEFINITION,
      REQUEST,
      world((payload) => void steps.push(payload)),
    );
    expect(await execution.run()).toMatchObject({
      status: 'SUCCEEDED',
      output: { status: 'done', outcome: { status: 'committed', totals: { objects: 120 } } },
    });
    expect(steps.filter((step) => (step as { step: string }).step === 'plan')).toMatchObject([
      { attempt: 1, samplesAll: false },
      { attempt: 2, samplesAll: true },
    ]);
    const { outputs } = parseManifest(
      sandbox.get(BUCKET, `${AGGREGATED}_manifest.json`) ?? Buffer.alloc(0),
      AGGREGATED,
    );
    const gzipped = outputs.filter(({ key }) => key.endsWith('.log.gz'));
    expect(gzipped.map(({ sources }) => sources)).toEqual([1]);
    expect(sandbox.keys(BUCKET, `${AGGREGATED}_plan/`)).toEqual([]);
  });

  it('samples every source again where the plan behind a mistaken one is lost to another run', async () => {
    putHour();
    sandbox.put(BUCKET, `${rawPrefix(8)}00017.log`, gzipSync('one of gzip among plain ones\n'));
    const plans: unknown[] = [];
    const execution = new Execution(
      DEFINITION,
      REQUEST,
      world(async (payload) => {
        const { step, attempt } = payload as { step: string; attempt?: number };
        if (step === 'plan') plans.push(payload);
        if (step !== 'commit' || attempt !== 2) return;
        const rival = createInvocation(process.env);
        for (const message of parseEvent(REQUEST)) await rival.handle(message, CONTEXT);
      }),
    );
    expect(await execution.run()).toMatchObject({ status: 'SUCCEEDED' });
    expect(plans).toMatchObject([
      { attempt: 1, samplesAll: false },
      { attempt: 2, samplesAll: true },
      { attempt: 3, samplesAll: true },
    ]);
  });

  describe('whose sources are deleted while it reads them', () => {
    const inRaw = (): string[] => sandbox.keys(BUCKET, rawPrefix(8));
    /** Calls `act` before the first request for a source, sample or not, that comes in one of these steps. */
    const whileReading = (step: string, act: () => Promise<unknown>) => {
      const events: { step: string; attempt?: number; readsOutputs?: boolean }[] = [];
      let isDone = false;
      const reached = world((payload) => void events.push(payload as (typeof events)[number]));
      sandbox.hook = async ({ operation, key = '' }) => {
        if (isDone || events.at(-1)?.step !== step) return undefined;
        if (!/^(GetObject|CopyObject|UploadPartCopy)$/.test(operation) || !key.startsWith(rawPrefix(8)))
          return undefined;
        isDone = true;
        await act();
        return undefined;
      };
      const run = () => new Execution(DEFINITION, REPACK, reached).run();
      return { run, plans: () => events.filter((event) => event.step === 'plan') };
    };

    it.each(['plan', 'write'])(
      'by a run that found nothing new, in its %s step, plans again and reads what is committed from the outputs',
      async (step) => {
        putHour();
        await execute();
        const { run, plans } = whileReading(step, async () => {
          const rival = createInvocation({ ...process.env, DELETE_SOURCE: 'true' });
          for (const message of parseEvent(REQUEST))
            expect(await rival.handle(message, CONTEXT)).toMatchObject({ status: 'unchanged' });
          expect(inRaw()).toEqual([]);
        });
        expect(await run()).toMatchObject({
          status: 'SUCCEEDED',
          output: { status: 'done', outcome: { status: 'committed', totals: { objects: 120 } } },
        });
        expect(plans()).toMatchObject([
          { attempt: 1, readsOutputs: false },
          { attempt: 1, readsOutputs: true },
        ]);
        expect(sandbox.keys(BUCKET, `${AGGREGATED}_plan/`)).toEqual([]);
        expect(outputKeys(sandbox, 8)).toHaveLength(5);
      },
    );

    it('by somebody, before they are committed, fails as SourceVanished', async () => {
      putHour();
      const { run, plans } = whileReading('write', () => {
        for (const key of inRaw()) sandbox.delete(BUCKET, key);
        return Promise.resolve();
      });
      expect(await run()).toEqual({ status: 'FAILED', error: 'SourceVanished' });
      expect(plans()).toHaveLength(1);
      expect(isCommitted()).toBe(false);
    });

    it('by somebody, again once it reads the outputs, fails as SourceVanished', async () => {
      putHour();
      await execute();
      const { handle } = createStepInvocation(process.env);
      const plan = (await handle({ step: 'plan', request: REPACK, attempt: 1 }, CONTEXT)) as { plan: string };
      const word = plan.plan.replace(/\.json$/, '.mistaken.json').replace(`s3://${BUCKET}/`, '');
      sandbox.put(BUCKET, word, JSON.stringify({ key: inRaw()[0], vanished: true }));
      const commit = { ...{ step: 'commit', request: REPACK, attempt: 2 }, plan: plan.plan };
      const { etag } = plan as unknown as { etag: string };
      const again = { status: 'lost', readsOutputs: true, samplesAll: false };
      expect(await handle({ ...commit, etag, readsOutputs: false }, CONTEXT)).toMatchObject({
        ...again,
        attempt: 2,
      });
      // An execution that an earlier release began does not hand it on, and would plan so for ever.
      expect(await handle({ ...commit, etag }, CONTEXT)).toMatchObject({ ...again, attempt: 3 });
      await expect(handle({ ...commit, etag, readsOutputs: true }, CONTEXT)).rejects.toMatchObject({
        name: 'SourceVanished',
        message: expect.stringContaining(inRaw()[0] ?? '') as unknown,
      });
    });
  });

  it('stores its plan without the storage class, tags and format of outputs, and with their encryption', async () => {
    stubEnvironment(sandbox, {
      STORAGE_CLASS: 'STANDARD_IA',
      TAGS: '{"team":"logs"}',
      CONTENT_ENCODING: 'gzip',
      CONTENT_TYPE: 'text/plain',
      SSE: 'AES256',
    });
    putHour();
    expect(await execute()).toMatchObject({ status: 'SUCCEEDED' });
    const created = sandbox.requests.filter(({ operation }) =>
      /^(PutObject|CreateMultipart)/.test(operation),
    );
    const attributes = (of: RegExp) =>
      created
        .filter(({ key = '' }) => of.test(key))
        .map(({ headers }) => [
          headers['x-amz-storage-class'],
          headers['x-amz-tagging'],
          headers['content-encoding'],
          headers['x-amz-server-side-encryption'],
        ]);
    expect(attributes(/_plan\/.*l$/)).toEqual(
      Array.from({ length: 2 }, () => [undefined, undefined, undefined, 'AES256']),
    );
    expect(new Set(attributes(/part-/).map(String))).toEqual(new Set(['STANDARD_IA,team=logs,gzip,AES256']));
  });

  it('of an empty hour commits an empty rollup', async () => {
    expect(await execute()).toMatchObject({ status: 'SUCCEEDED', output: { outcome: { status: 'empty' } } });
  });

  it('reads the items again where that failed, three times and no more', async () => {
    putHour();
    const reading = (failures: number) => {
      let tries = 0;
      const reached = world();
      const { getObject } = reached;
      reached.getObject = (bucket, key) => (++tries <= failures ? undefined : getObject(bucket, key));
      return { execution: new Execution(DEFINITION, REQUEST, reached), reached, tries: () => tries };
    };
    const failing = reading(4);
    expect(await failing.execution.run()).toEqual({ status: 'FAILED', error: 'States.ItemReaderFailed' });
    expect(failing.reached.waits).toEqual([5, 10, 20]);
    const passing = reading(3);
    expect(await passing.execution.run()).toMatchObject({ status: 'SUCCEEDED' });
    expect(passing.tries()).toBe(4);
    expect(isCommitted()).toBe(true);
  });

  it('has fewer items in a batch where they would not fit into its input', async () => {
    const item = (i: number) => ({ output: i, keys: 'k'.repeat(60_000) });
    const items = Array.from({ length: 7 }, (_, i) => item(i));
    const body = Buffer.from(items.map((one) => `${JSON.stringify(one)}\n`).join(''));
    const batches: unknown[] = [];
    const answers: Record<string, unknown> = {
      plan: { status: 'planned', plan: 'p', etag: 'e', bucket: 'b', items: 'i', workers: 1, generation: 1 },
      commit: { status: 'done' },
    };
    const ended = await new Execution(
      fanOutDefinition({ functionArn: 'steps', batch: 100, timeoutSeconds: 900 }),
      REQUEST,
      {
        ...world(),
        invoke: (_, payload) => {
          const { step, items } = z
            .object({ step: z.string(), items: z.array(z.unknown()).optional() })
            .parse(payload);
          if (step === 'write') batches.push(items?.length);
          return Promise.resolve(answers[step] ?? {});
        },
        getObject: () => body,
      },
    ).run();
    expect(ended).toMatchObject({ status: 'SUCCEEDED' });
    expect(batches).toEqual([3, 3, 1]);
  });

  it('fails if a batch fails for good, commits nothing, and continues from there when redriven', async () => {
    putHour();
    const refused = `${rawPrefix(8)}00119.log`;
    sandbox.hook = (request) =>
      request.key === refused && request.operation === 'GetObject' && !isSample(request)
        ? { kind: 'error', status: 403, code: 'AccessDenied' }
        : undefined;
    const execution = new Execution(DEFINITION, REQUEST, world());
    expect(await execution.run()).toEqual({
      status: 'FAILED',
      error: 'States.ExceedToleratedFailureThreshold',
    });
    expect(isCommitted()).toBe(false);
    const kept = outputKeys(sandbox, 8);
    expect(kept.length).toBeGreaterThan(0);
    expect(sandbox.openUploads(BUCKET)).toEqual([]);

    sandbox.hook = undefined;
    sandbox.clearRequests();
    expect(await execution.run()).toMatchObject({
      status: 'SUCCEEDED',
      output: { outcome: { status: 'committed' } },
    });
    expect(execution.visited).toEqual([
      'Request',
      'Plan',
      'Planned',
      'Write',
      'Write',
      'Commit',
      'Committed',
      'Done',
    ]);
    const written = sandbox.requests.filter(({ operation }) => /^(Put|Complete|Copy)/.test(operation));
    expect(written.filter(({ key = '' }) => kept.includes(key))).toEqual([]);
    expect(sandbox.keys(BUCKET, AGGREGATED).filter((key) => key.includes('_plan/'))).toEqual([]);
  });

  it('retries with longer and longer waits if Lambda or S3 throttles, and fails in the end', async () => {
    putHour();
    let throttles = 3;
    const reached = world(() => {
      if (throttles-- > 0)
        throw Object.assign(new Error('Rate exceeded'), { name: 'Lambda.TooManyRequestsException' });
    });
    expect(await execute(REQUEST, reached)).toMatchObject({ status: 'SUCCEEDED' });
    expect(reached.waits).toEqual([1, 2, 4]);
    const slow = world(() => {
      throw Object.assign(new Error('Slow down'), { name: 'SlowDown' });
    });
    expect(await execute(REQUEST, slow)).toEqual({ status: 'FAILED', error: 'SlowDown' });
    expect(slow.waits).toEqual([5, 10, 20, 40, 80]);
  });

  it('waits for hours where Lambda has no room for a batch, and fails for none of it', async () => {
    putHour();
    const refused = new Map<string, number>();
    const reached = world((payload) => {
      const batch = JSON.stringify(payload);
      const times = refused.get(batch) ?? 0;
      refused.set(batch, times + 1);
      if (times < 200)
        throw Object.assign(new Error('Rate exceeded'), { name: 'Lambda.TooManyRequestsException' });
    });
    expect(await execute(REQUEST, reached)).toMatchObject({
      status: 'SUCCEEDED',
      output: { outcome: { status: 'committed', written: 5 } },
    });
    expect(Math.max(...reached.waits)).toBe(60);
    expect([...refused.values()]).toEqual([201, 201, 201, 201, 201]);
  });

  it.each(['Conflict', 'ChecksumMismatch', 'NoSuchUpload'])('tries a batch again after %s', async (name) => {
    putHour();
    let failures = 2;
    const reached = world((payload) => {
      if (JSON.stringify(payload).includes('"write"') && failures-- > 0)
        throw Object.assign(new Error(name), { name });
    });
    expect(await execute(REQUEST, reached)).toMatchObject({ output: { outcome: { status: 'committed' } } });
    expect(reached.waits).toEqual([5, 5]);
  });

  it('finishes a batch that ran out of time in the next attempt, which reuses the outputs of the first', async () => {
    putHour();
    stubEnvironment(sandbox, { OUTPUTS_IN_FLIGHT: '1' });
    const invocation = createStepInvocation(process.env);
    const begun = new Set<string>();
    const reached: ReturnType<typeof world> = {
      ...world(),
      invoke: (_, payload) => {
        const batch = JSON.stringify(payload);
        const isFirst = batch.includes('"write"') && !begun.has(batch);
        begun.add(batch);
        const before = outputKeys(sandbox, 8).length;
        // There is time for one output, and for no other.
        const isLate = (): boolean => isFirst && outputKeys(sandbox, 8).length > before;
        return invocation.handle(payload, {
          ...CONTEXT,
          getRemainingTimeInMillis: () => (isLate() ? 5_500 : 900_000),
        });
      },
    };
    expect(await execute(REQUEST, reached)).toMatchObject({ output: { outcome: { status: 'committed' } } });
    // Two batches of two outputs: each was begun twice.
    expect(reached.waits).toEqual([5, 5]);
  });

  it('does no harm to another execution for the same hour at the same time', async () => {
    putHour();
    const one = new Execution(DEFINITION, REQUEST, world());
    const other = new Execution(DEFINITION, REQUEST, world());
    const [first, second] = await Promise.all([one.run(), other.run()]);
    const statuses = [first, second].map(
      (end) =>
        z.object({ output: z.object({ outcome: z.object({ status: z.string() }) }) }).parse(end).output
          .outcome.status,
    );
    expect(statuses.sort()).toEqual(['committed', 'unchanged']);
    expect(outputKeys(sandbox, 8)).toHaveLength(5);
    expect(sandbox.openUploads(BUCKET)).toEqual([]);
  });

  it('deletes sources if the deployment does, except for a request with deleteSource false', async () => {
    vi.stubEnv('DELETE_SOURCE', 'true');
    const inRaw = (): number => sandbox.keys(BUCKET, rawPrefix(8)).length;
    putHour();
    expect(await execute({ ...REQUEST, deleteSource: false })).toMatchObject({ status: 'SUCCEEDED' });
    expect(inRaw()).toBe(120);
    expect(await execute()).toMatchObject({ output: { outcome: { status: 'unchanged' } } });
    expect(inRaw()).toBe(120);
    expect(await execute({ ...REQUEST, deleteSource: true })).toMatchObject({ status: 'SUCCEEDED' });
    expect(inRaw()).toBe(0);
  });

  it.each(outsideRequests())('of %s fails, nothing touched', async (_, request, code) => {
    vi.stubEnv('DELETE_SOURCE', 'true');
    putHour(sandbox, 2);
    sandbox.put(BUCKET, 'raw/other/20251121/08/a.log', 'other\n');
    const keys = sandbox.keys(BUCKET);
    expect(await execute(request)).toEqual({ status: 'FAILED', error: code });
    const plan = `s3://${BUCKET}/${AGGREGATED}_plan/0123456789abcdef.json`;
    const commit = { step: 'commit', request, plan, etag: 'e', attempt: 1 };
    await expect(createStepInvocation(process.env).handle(commit, CONTEXT)).rejects.toMatchObject({
      name: code,
    });
    expect(sandbox.requests).toEqual([]);
    expect(sandbox.keys(BUCKET)).toEqual(keys);
  });

  it('for a prefix that is no hour of a stream never deletes sources', async () => {
    vi.stubEnv('DELETE_SOURCE', 'true');
    vi.stubEnv('ALLOW_ANY_PREFIX', 'true');
    sandbox.put(BUCKET, 'raw/other/a.log', 'other\n');
    expect(await execute({ source: `${RAW_ROOT}other/` })).toMatchObject({
      output: { outcome: { status: 'committed' } },
    });
    expect(sandbox.keys(BUCKET, 'raw/')).toEqual(['raw/other/a.log']);
  });

  it('for a stream and an hour is the same as for the prefix of that hour', async () => {
    putHour(sandbox, 2);
    expect(await execute({ stream: 'checkout', hour: REQUEST.hour })).toMatchObject({
      output: { outcome: { status: 'committed' } },
    });
    expect(isCommitted()).toBe(true);
  });

  it('that had no time for all deletes fails, and the next one continues them', async () => {
    putHour();
    await execute();
    vi.stubEnv('DELETE_SOURCE', 'true');
    let looks = 0;
    const late = { ...CONTEXT, getRemainingTimeInMillis: () => (looks++ === 0 ? 900_000 : 5_000) };
    const plan = { step: 'plan', request: REQUEST, attempt: 1 };
    await expect(createStepInvocation(process.env).handle(plan, late)).rejects.toMatchObject({
      name: 'DeletesLeft',
    });
    expect(sandbox.keys(BUCKET, rawPrefix(8))).toHaveLength(120);
    expect(await execute()).toMatchObject({ status: 'SUCCEEDED' });
    expect(sandbox.keys(BUCKET, rawPrefix(8))).toEqual([]);
  });

  it('plans again, on the new manifest, if another run committed in between', async () => {
    putHour();
    let between: Promise<unknown> | undefined;
    const reached = world(async (payload) => {
      if ((payload as { step: string }).step !== 'commit' || between !== undefined) return;
      sandbox.put(BUCKET, `${rawPrefix(8)}late.log`, 'late\n');
      between = createInvocation(process.env).handle({ ...REQUEST }, CONTEXT);
      await between;
      sandbox.put(BUCKET, `${rawPrefix(8)}later.log`, 'later\n');
    });
    const execution = new Execution(DEFINITION, REQUEST, reached);
    expect(await execution.run()).toMatchObject({ output: { outcome: { status: 'committed', written: 1 } } });
    expect(execution.visited.filter((name) => name === 'Plan')).toHaveLength(2);
  });

  it.each([{ repack: true }, {}])(
    'whose commit is repeated, because its answer was lost, ends well and plans nothing twice: %j',
    async (how) => {
      putHour();
      await execute();
      sandbox.put(BUCKET, `${rawPrefix(8)}late.log`, 'late\n');
      const { handle } = createStepInvocation(process.env);
      const planned: unknown[] = [];
      let isLost = false;
      const reached: ReturnType<typeof world> = {
        ...world(),
        invoke: async (_, payload) => {
          const answer = (await handle(payload, CONTEXT)) as { status: string };
          const { step } = payload as { step: string };
          if (step === 'plan' && answer.status === 'planned') planned.push(answer);
          if (step !== 'commit' || isLost) return answer;
          isLost = true;
          throw Object.assign(new Error('Read timed out'), { name: 'Lambda.SdkClientException' });
        },
      };
      const execution = new Execution(DEFINITION, { ...REQUEST, ...how }, reached);
      expect(await execution.run()).toMatchObject({
        status: 'SUCCEEDED',
        output: { outcome: { status: 'unchanged' } },
      });
      expect(planned).toHaveLength(1);
      const manifest = JSON.parse(sandbox.get(BUCKET, `${AGGREGATED}_manifest.json`)?.toString() ?? '') as {
        generation: number;
      };
      expect(manifest.generation).toBe(how.repack === true ? 1 : 0);
      expect(sandbox.keys(BUCKET, AGGREGATED).filter((key) => key.includes('_plan/'))).toEqual([]);
    },
  );

  it.each([
    [
      'a plan of another destination',
      { plan: `s3://${BUCKET}/elsewhere/_plan/0123456789abcdef.json` },
      'BadPlan',
    ],
    ['a plan that is none', { plan: `${AGGREGATED_ROOT}x.json` }, 'InvalidArgument'],
    ['no items', { items: [] }, 'InvalidRequest'],
    ['a request outside its root', { request: { source: `s3://${BUCKET}/elsewhere/` } }, 'OutsideRoot'],
    [
      'a batch of an execution that an earlier release began',
      { request: undefined, etag: undefined, plan: undefined },
      'BadPlan',
    ],
  ])('refuses %s', async (_, change, code) => {
    const plan = `s3://${BUCKET}/${AGGREGATED}_plan/0123456789abcdef.json`;
    const event = {
      step: 'write',
      request: REQUEST,
      plan,
      etag: 'e',
      items: [{ plan, offset: 0, length: 10 }],
    };
    const sent: unknown = JSON.parse(JSON.stringify({ ...event, ...change }));
    await expect(createStepInvocation(process.env).handle(sent, CONTEXT)).rejects.toMatchObject({
      name: code,
    });
  });
});

describe('a request to the function', () => {
  /** StartExecution of Step Functions: a name can be used once. */
  async function startStates() {
    const started = new Map<string, unknown>();
    const server = createServer((request, response) => {
      void json(request).then((body) => {
        const { name, input } = z.object({ name: z.string(), input: z.string() }).parse(body);
        const taken = started.has(name);
        started.set(name, JSON.parse(input));
        response.writeHead(taken ? 400 : 200, { 'content-type': 'application/x-amz-json-1.0' });
        const refusal = { __type: 'com.amazonaws.states#ExecutionAlreadyExists', message: name };
        response.end(JSON.stringify(taken ? refusal : { executionArn: `arn:${name}`, startDate: 1 }));
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    return { server, started, endpoint: `http://127.0.0.1:${port}` };
  }

  it('is dispatched once if its listing exceeds a threshold, however often it is delivered', async () => {
    const { server, started, endpoint } = await startStates();
    stubEnvironment(sandbox, {
      AWS_ENDPOINT_URL_SFN: endpoint,
      [ENV.stateMachineArn]: 'arn:aws:states:eu-central-1:111122223333:stateMachine:FanOut',
      FAN_OUT_OBJECTS: '100',
      FAN_OUT_BYTES: '20MiB',
    });
    const invocation = createInvocation(process.env);
    const handle = (id?: string) => invocation.handle({ ...REQUEST, continuation: 3 }, CONTEXT, id);
    putHour(sandbox, 100);
    expect(await handle('message-0')).toMatchObject({ status: 'committed' });
    expect(started.size).toBe(0);
    putHour(sandbox, 101);
    expect(await handle('message-1')).toEqual({
      status: 'handed-over',
      execution: '2025-11-21T08-message-1',
    });
    expect(await handle('message-1')).toMatchObject({ status: 'handed-over' });
    expect(await handle()).toMatchObject({ execution: '2025-11-21T08-request-1' });
    const source = `s3://${BUCKET}/${rawPrefix(8)}`;
    const input = {
      source,
      destination: `s3://${BUCKET}/${AGGREGATED}`,
      hour: REQUEST.hour,
      stream: 'checkout',
    };
    expect([...started]).toEqual([
      ['2025-11-21T08-message-1', input],
      ['2025-11-21T08-request-1', input],
    ]);
    // The input of the execution is a request that its steps accept.
    expect(await execute(input)).toMatchObject({ status: 'SUCCEEDED' });
    server.close();
  });

  it('is read from the notice of an execution that failed', () => {
    const detail = {
      executionArn: 'arn:x',
      status: 'FAILED',
      input: JSON.stringify(REQUEST),
      inputDetails: { included: true },
    };
    const notice = {
      version: '0',
      'detail-type': 'Step Functions Execution Status Change',
      source: 'aws.states',
      detail,
    };
    const event = { Records: [{ messageId: 'm', body: JSON.stringify(notice) }] };
    expect(parseEvent(event)).toEqual([REQUEST]);
  });
});
