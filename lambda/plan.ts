import {
  type Endpoints,
  type FullPlan,
  type OutputAction,
  type Report,
  type RequestCounts,
  type RollupRequest,
  type RunWarning,
  type Skipped,
  actionOf,
  estimateRequests,
  findUnendedText,
  formatLocation,
  indexOf,
  isCommitExpected,
  keepSourceOf,
  planAll,
} from './rollup/index.ts';
import type { Connection } from './s3/connection.ts';
import type { Settings } from './settings/table.ts';

/** An output that a run would write, or that is there. */
export interface PlanResultOutput {
  index: number;
  key: string;
  action: OutputAction;
  sources: number;
  /** Bytes without newlines that would be added; with a codec an estimate from samples. */
  size: number;
}

/** What a run would do. Sizes are in bytes. */
export interface PlanResult {
  /** The status that the run would end with. */
  expected: 'committed' | 'unchanged' | 'empty';
  source: string;
  destination: string;
  objects: number;
  bytes: number;
  skipped: Skipped;
  /** The first keys that are filtered. */
  filtered: string[];
  /** In order of their index. */
  outputs: PlanResultOutput[];
  /** Numbers of requests by the class in which S3 prices them. */
  requests: RequestCounts;
  /** What may be a mistake; absent where nothing was noticed. */
  warnings?: RunWarning[];
}

/** Options of `planRun`. */
export interface PlanOptions {
  settings: Settings;
  signal: AbortSignal;
  /** Receives `listed` alone. */
  report: Report;
}

/**
 * Plans what `run` would do for the same request, and writes nothing.
 *
 * @returns the plan, and the sizes of all its sources, those in sealed outputs too
 * @throws RollupError as `planAll` does
 */
export async function planRun(
  request: RollupRequest,
  connection: Pick<Connection, 'store' | 'raw' | 'takeRequests'>,
  { settings, signal, report }: PlanOptions,
): Promise<{ plan: PlanResult; sizes: number[] }> {
  const { store, raw } = connection;
  let pages = 0;
  const full = await planAll(request, {
    store,
    raw,
    settings,
    signal,
    now: () => new Date(),
    report: (event) => {
      if (event.type !== 'listed') return;
      pages++;
      report(event);
    },
  });
  const uploads = await store.until(signal).listUploads(request.destination);
  const planningRequests = {
    // Listing an empty prefix takes a request too.
    list: Math.max(1, pages) + Math.max(1, Math.ceil(full.present.size / 1000)),
    // GETs of the manifest, of the index and, with a codec, of samples of sources.
    get: connection.takeRequests().get,
  };
  const requests = estimateRequests({
    fullPlan: full,
    planningRequests,
    uploads,
    destination: request.destination,
    settings,
    keepSource: keepSourceOf(request, full.previous?.manifest),
    streamsCopies: !store.canCopyFrom(raw),
    isForeignStore: store.service !== undefined,
  });
  requests.list += full.lists;
  const warnings = [
    ...full.warnings,
    ...(await warnOfNewline(full, request, { store, raw, settings, signal })),
  ];
  const sizes = await sizesOf(full);
  const plan: PlanResult = {
    expected: !isCommitExpected(full) ? 'unchanged' : sizes.length === 0 ? 'empty' : 'committed',
    source: formatLocation(full.source),
    destination: formatLocation(request.destination),
    objects: sizes.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    skipped: full.plan.skipped,
    filtered: full.plan.filtered,
    outputs: outputsOf(full, request),
    requests,
    ...(warnings.length === 0 ? {} : { warnings }),
  };
  return { plan, sizes };
}

/** A warning where texts would run together. Its GETs are the plan's own: a run does not look. */
async function warnOfNewline(
  { plan }: FullPlan,
  request: RollupRequest,
  context: Endpoints & { settings: Settings; signal: AbortSignal },
): Promise<RunWarning[]> {
  if (context.settings.codec !== 'keep') return [];
  const key = await findUnendedText(plan.planned, request, context);
  if (key === undefined) return [];
  const message = `The text in ${key} ends without a newline, which cannot be added to a compressed source: its last line and the next source's first run together. Use --codec gzip.`;
  return [{ code: 'LastNewlineMissing', message, key }];
}

async function sizesOf({ plan, previous }: FullPlan): Promise<number[]> {
  const sealed = new Set(plan.sealed.map(({ key }) => key));
  const sizes = plan.planned.flatMap(({ pieces }) => pieces.map((piece) => piece.source.size));
  if (previous === undefined) return sizes;
  for await (const sources of previous.sources.stored())
    for (const { output, size } of sources) if (sealed.has(output)) sizes.push(size);
  return sizes;
}

function outputsOf(full: FullPlan, { destination }: RollupRequest): PlanResultOutput[] {
  const { plan } = full;
  const outputs = [
    ...plan.sealed.map(({ key, size, sources }) => ({ key, action: 'sealed' as const, sources, size })),
    ...plan.planned.map((output) => {
      const { key, expectedSize: size, pieces } = output;
      return { key, action: actionOf(output, full, destination), sources: pieces.length, size };
    }),
  ];
  return outputs
    .map((output) => ({ index: indexOf(output.key), ...output }))
    .sort((a, b) => a.index - b.index);
}
