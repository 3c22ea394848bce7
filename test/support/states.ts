import pLimit from 'p-limit';
import { z } from 'zod';

/** What a state machine reaches; whatever is not here, it cannot do. */
export interface StatesWorld {
  /** The function's answer. An error's name is what retries look at. */
  invoke: (functionName: string, payload: unknown) => Promise<unknown>;
  getObject: (bucket: string, key: string) => Buffer | undefined;
  /** Waits for so many seconds, or only notes them. */
  wait: (seconds: number) => void | Promise<void>;
  /** Seconds, for the time limit of the execution. Without it no time passes. */
  now?: () => number;
  /** From 0 to 1. */
  random: () => number;
}

// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
const MOST_BYTES = 262_144;

const retrySchema = z.strictObject({
  ErrorEquals: z.array(z.string()),
  IntervalSeconds: z.number(),
  BackoffRate: z.number(),
  MaxAttempts: z.number(),
  MaxDelaySeconds: z.number(),
  JitterStrategy: z.literal('FULL'),
});
const next = { Next: z.string().optional(), End: z.literal(true).optional() };
const template = z.record(z.string(), z.unknown());
const taskSchema = z.strictObject({
  Type: z.literal('Task'),
  Resource: z.literal('arn:aws:states:::lambda:invoke'),
  Parameters: z.strictObject({ FunctionName: z.string(), Payload: template }),
  TimeoutSeconds: z.number(),
  Retry: z.array(retrySchema),
  ResultSelector: template.optional(),
  ResultPath: z.string().optional(),
  ...next,
});
const choiceSchema = z.strictObject({
  Type: z.literal('Choice'),
  Choices: z.array(z.strictObject({ Variable: z.string(), StringEquals: z.string(), Next: z.string() })),
  Default: z.string(),
});
const passSchema = z.strictObject({ Type: z.literal('Pass'), Parameters: template, ...next });
const succeedSchema = z.strictObject({ Type: z.literal('Succeed'), OutputPath: z.string().optional() });
const mapSchema = z.strictObject({
  Type: z.literal('Map'),
  Label: z.string(),
  ItemReader: z.strictObject({
    Resource: z.literal('arn:aws:states:::s3:getObject'),
    ReaderConfig: z.strictObject({ InputType: z.literal('JSONL') }),
    Parameters: template,
  }),
  ItemBatcher: z.strictObject({
    MaxItemsPerBatch: z.int().positive(),
    MaxInputBytesPerBatch: z.int().positive().max(MOST_BYTES),
    BatchInput: template,
  }),
  MaxConcurrencyPath: z.string(),
  Retry: z.array(retrySchema),
  ToleratedFailurePercentage: z.literal(0),
  ItemProcessor: z.strictObject({
    ProcessorConfig: z.strictObject({ Mode: z.literal('DISTRIBUTED'), ExecutionType: z.literal('STANDARD') }),
    StartAt: z.string(),
    States: z.record(z.string(), taskSchema),
  }),
  ResultPath: z.null(),
  ...next,
});
const stateSchema = z.discriminatedUnion('Type', [
  taskSchema,
  choiceSchema,
  passSchema,
  succeedSchema,
  mapSchema,
]);
type State = z.infer<typeof stateSchema>;

/** What of the Amazon States Language this driver knows. Anything else in a definition is refused, not passed over. */
const definitionSchema = z.strictObject({
  Comment: z.string(),
  TimeoutSeconds: z.int().positive(),
  StartAt: z.string(),
  States: z.record(z.string(), stateSchema),
});
export type Definition = z.infer<typeof definitionSchema>;

/** One execution of a definition, as it is written. */
export class Execution {
  readonly #definition: Definition;
  readonly #world: StatesWorld;
  /** Where it stands, and with what input. */
  #at: { name: string; input: unknown };
  /** Batches of the map that stands there that have succeeded: a redrive leaves them alone. */
  #done = new Set<number>();
  #endsAt = Infinity;
  /** States that were entered. */
  readonly visited: string[] = [];

  constructor(definition: unknown, input: unknown, world: StatesWorld) {
    this.#definition = definitionSchema.parse(definition);
    this.#world = world;
    this.#at = { name: this.#definition.StartAt, input };
  }

  /** From where it stands: at first from its beginning, and as a redrive from the state that failed. */
  async run(): Promise<
    { status: 'SUCCEEDED'; output: unknown } | { status: 'FAILED' | 'TIMED_OUT'; error: string }
  > {
    const { now = () => 0 } = this.#world;
    this.#endsAt = now() + this.#definition.TimeoutSeconds;
    for (;;) {
      const { name, input } = this.#at;
      const state = this.#definition.States[name];
      if (state === undefined) throw new Error(`There is no state ${name}.`);
      this.visited.push(name);
      limited(input);
      try {
        const entered = await this.#enter(state, input);
        if (entered.next === undefined) return { status: 'SUCCEEDED', output: entered.output };
        this.#at = { name: entered.next, input: entered.output };
        this.#done = new Set();
      } catch (error) {
        const isOver = now() > this.#endsAt;
        const name = error instanceof Error ? error.name : String(error);
        return isOver ? { status: 'TIMED_OUT', error: 'States.Timeout' } : { status: 'FAILED', error: name };
      }
    }
  }

  async #enter(state: State, input: unknown): Promise<{ output: unknown; next: string | undefined }> {
    switch (state.Type) {
      case 'Pass':
        return { output: fill(state.Parameters, input), next: state.Next };
      case 'Succeed':
        return { output: at(input, state.OutputPath ?? '$'), next: undefined };
      case 'Choice': {
        const chosen = state.Choices.find(
          ({ Variable, StringEquals }) => at(input, Variable) === StringEquals,
        );
        return { output: input, next: chosen?.Next ?? state.Default };
      }
      case 'Task':
        return { output: await this.#task(state, input), next: state.Next };
      case 'Map':
        await this.#retrying(state.Retry, () => this.#map(state, input));
        // Its result is discarded.
        return { output: input, next: state.Next };
    }
  }

  async #task(state: z.infer<typeof taskSchema>, input: unknown): Promise<unknown> {
    const { FunctionName, Payload } = state.Parameters;
    const payload = fill(Payload, input);
    limited(payload);
    return this.#retrying(state.Retry, async () => {
      const answer = await this.#world.invoke(FunctionName, JSON.parse(JSON.stringify(payload)));
      limited(answer);
      const result = { Payload: JSON.parse(JSON.stringify(answer)) as unknown };
      const selected = state.ResultSelector === undefined ? result : fill(state.ResultSelector, result);
      return state.ResultPath === undefined
        ? selected
        : { ...(input as object), [field(state.ResultPath)]: selected };
    });
  }

  async #retrying<T>(rules: readonly z.infer<typeof retrySchema>[], attempt: () => Promise<T>): Promise<T> {
    const retried = rules.map(() => 0);
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        const name = error instanceof Error ? error.name : 'States.TaskFailed';
        const i = rules.findIndex(({ ErrorEquals }) => ErrorEquals.includes(name));
        const rule = rules[i];
        const times = retried[i] ?? 0;
        if (rule === undefined || times >= rule.MaxAttempts) throw error;
        retried[i] = times + 1;
        const delay = Math.min(rule.MaxDelaySeconds, rule.IntervalSeconds * rule.BackoffRate ** times);
        await this.#world.wait(delay * this.#world.random());
        if ((this.#world.now?.() ?? 0) > this.#endsAt) throw error;
      }
    }
  }

  async #map(state: z.infer<typeof mapSchema>, input: unknown): Promise<void> {
    const { Bucket, Key } = z
      .strictObject({ Bucket: z.string(), Key: z.string() })
      .parse(fill(state.ItemReader.Parameters, input));
    const body = this.#world.getObject(Bucket, Key);
    if (body === undefined) throw named('States.ItemReaderFailed');
    const items = body
      .toString()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as unknown);
    const batchInput = fill(state.ItemBatcher.BatchInput, input);
    const batches = batched(items, state.ItemBatcher).map((Items) => ({ BatchInput: batchInput, Items }));
    const limit = pLimit(z.int().positive().parse(at(input, state.MaxConcurrencyPath)));
    const { StartAt, States } = state.ItemProcessor;
    const child = States[StartAt];
    if (child?.End !== true) throw new Error('Only a processor of one state is known.');
    const failed: unknown[] = [];
    const results = await Promise.all(
      batches.map((batch, i) =>
        limit(async () => {
          // Nothing is tolerated: after the first failure no other batch is begun.
          if (failed.length > 0 || this.#done.has(i)) return undefined;
          limited(batch);
          try {
            const result = await this.#task(child, batch);
            this.#done.add(i);
            return result;
          } catch (error) {
            failed.push(error);
            return undefined;
          }
        }),
      ),
    );
    if (failed.length > 0) throw named('States.ExceedToleratedFailureThreshold');
    limited(results);
  }
}

/** As many items a batch as both limits let in: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html */
function batched(
  items: readonly unknown[],
  limits: { MaxItemsPerBatch: number; MaxInputBytesPerBatch: number },
): unknown[][] {
  const batches: unknown[][] = [];
  for (const item of items) {
    const last = batches.at(-1);
    const larger = [...(last ?? []), item];
    const fits =
      larger.length <= limits.MaxItemsPerBatch &&
      Buffer.byteLength(JSON.stringify(larger)) <= limits.MaxInputBytesPerBatch;
    if (last !== undefined && fits) last.push(item);
    else batches.push([item]);
  }
  return batches;
}

/** Throws as Step Functions does where a state's input or output is too large. */
function limited(value: unknown): void {
  if (Buffer.byteLength(JSON.stringify(value ?? null)) > MOST_BYTES) throw named('States.DataLimitExceeded');
}

function named(name: string): Error {
  return Object.assign(new Error(name), { name });
}

/** `$`, `$.a.b` */
function at(input: unknown, path: string): unknown {
  if (!/^\$(\.\w+)*$/.test(path)) throw new Error(`Such a path is not known: ${path}`);
  return path
    .split('.')
    .slice(1)
    .reduce<unknown>((value, name) => {
      const inner = value instanceof Object ? (Reflect.get(value, name) as unknown) : undefined;
      if (inner === undefined) throw named('States.ParameterPathFailure');
      return inner;
    }, input);
}

function field(path: string): string {
  const [, name] = /^\$\.(\w+)$/.exec(path) ?? [];
  if (name === undefined) throw new Error(`Such a ResultPath is not known: ${path}`);
  return name;
}

/** Fields that end in `.$` are paths. */
function fill(value: unknown, input: unknown): unknown {
  if (!(value instanceof Object) || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) =>
      name.endsWith('.$') ? [name.slice(0, -2), at(input, String(inner))] : [name, fill(inner, input)],
    ),
  );
}
