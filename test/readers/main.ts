import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { outputsOf } from '../docs/read-back.ts';
import { type Rows, cellOf, withRows } from './cells.ts';
import { measureHere } from './here.ts';
import { BUCKET, type CommandLine, FORMS, type Form, PREFIX, copyTo, makeHour } from './hour.ts';
import { languageOf, recipeFor, recipesOf } from './recipes.ts';

/*
 * npm run readers: reads hours by PySpark, pandas and polars too, as docs/readers.md says, and prints the rows of its table.
 * They are installed from PyPI into a virtual environment; Spark needs a Java, and hadoop-aws of Maven Central.
 */

const ROOT = join(import.meta.dirname, '../..');
const PAGE = join(ROOT, 'docs/readers.md');
const PACKAGES = ['pyspark==4.0.1', 'pandas', 'polars', 'zstandard', 'boto3'];
const HADOOP_AWS = 'org.apache.hadoop:hadoop-aws:3.4.1';
const SPARK = 'Spark 4.0';

const { values: options } = parseArgs({
  options: {
    /** Folder of the virtual environment, which is made where there is none. */
    venv: { type: 'string', default: join(ROOT, 'node_modules/.cache/readers') },
    /** Folder with hadoop-aws and all that it needs, for machines on which Spark cannot download it by itself. */
    jars: { type: 'string' },
    /** Another store, such as MinIO, that the hours are copied to and that Spark reads. Credentials of the environment. */
    endpoint: { type: 'string' },
    update: { type: 'boolean', default: false },
  },
});

const credentials = {
  AWS_ACCESS_KEY_ID: process.env['AWS_ACCESS_KEY_ID'] ?? 'test',
  AWS_SECRET_ACCESS_KEY: process.env['AWS_SECRET_ACCESS_KEY'] ?? 'test-secret',
};

/** Runs a program to its end. Throws with the last of its stderr where it fails. */
async function run(
  command: string,
  args: string[],
  input = '',
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  const exited = new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('exit', resolve),
  );
  child.stdin.end(input);
  const [code, stdout, stderr] = await Promise.all([exited, text(child.stdout), text(child.stderr)]);
  if (code !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${String(code)}: ${stderr.slice(-2000)}`);
  return stdout;
}

const cli: CommandLine = async (sandbox, args) => {
  const env = { AWS_ENDPOINT_URL: sandbox.endpoint, AWS_REGION: 'us-east-1', ...credentials };
  const stdout = await run(process.execPath, [join(ROOT, 'bin/s3-rollup.ts'), ...args], '', env);
  return { code: 0, stdout, stderr: '' };
};

const answerSchema = z.union([
  z.object({
    ids: z.array(
      z
        .number()
        .nullable()
        .transform((id) => id ?? -1),
    ),
  }),
  z.object({ error: z.string() }),
]);
type Answer = z.infer<typeof answerSchema>;

function idsOf(name: string, answer: Answer | undefined): number[] {
  if (answer !== undefined && 'ids' in answer) return answer.ids;
  const why = answer?.error ?? 'no answer';
  console.error(`${name}: ${why}`);
  throw new Error(why);
}

async function rowOf(
  reader: string,
  truth: Map<Form, number[]>,
  answerTo: (form: Form) => Answer | undefined,
): Promise<string[]> {
  const cells = [];
  for (const form of FORMS)
    cells.push(await cellOf(() => idsOf(`${reader}, ${form.name}`, answerTo(form)), truth.get(form) ?? []));
  return [...cells, '`npm run readers`'];
}

const python = join(options.venv, 'bin/python');

async function measureFrames(sandbox: Sandbox, folder: string, truth: Map<Form, number[]>): Promise<Rows> {
  const paths = FORMS.map(({ name, hour }) => [
    name,
    outputsOf(sandbox, BUCKET, `${PREFIX}${hour}/`).map((key) => join(folder, BUCKET, key)),
  ]);
  const said = await run(
    python,
    [join(import.meta.dirname, 'frames.py')],
    JSON.stringify(Object.fromEntries(paths)),
  );
  const found = z.record(z.string(), z.record(z.string(), answerSchema)).parse(JSON.parse(said));
  const rows: Rows = new Map();
  for (const [reader, answers] of Object.entries(found))
    rows.set(`${reader}: manifest`, await rowOf(reader, truth, ({ name }) => answers[name]));
  return rows;
}

/** What Spark makes of recipes, by the name of their form and their way. */
async function askSpark(
  endpoint: string,
  ways: string[],
  ignoreEmptySplits: boolean,
): Promise<Record<string, Answer>> {
  const recipes = FORMS.flatMap(({ name, hour }) =>
    ways.map((way) => ({
      name: `${name} ${way}`,
      language: languageOf('spark', way),
      text: recipeFor(recipesOf('spark').get(way) ?? '', hour),
    })),
  );
  const { jars } = options;
  const from =
    jars === undefined
      ? { packages: HADOOP_AWS }
      : { jars: readdirSync(jars).map((name) => join(jars, name)) };
  const asked = { endpoint, ...from, ignoreEmptySplits: String(ignoreEmptySplits), recipes };
  const env = { ...credentials, SPARK_LOCAL_IP: '127.0.0.1' };
  const said = await run(python, [join(import.meta.dirname, 'spark.py')], JSON.stringify(asked), env);
  const last: unknown = JSON.parse(said.trimEnd().split('\n').at(-1) ?? '');
  const { version, found } = z
    .object({ version: z.string(), found: z.record(z.string(), answerSchema) })
    .parse(last);
  if (!version.startsWith(SPARK.split(' ')[1] ?? '')) throw new Error(`Spark is ${version}.`);
  return found;
}

async function measureSpark(endpoint: string, truth: Map<Form, number[]>): Promise<Rows> {
  const ways = [...recipesOf('spark').keys()];
  const found = await askSpark(endpoint, ways, false);
  const rows: Rows = new Map();
  for (const way of ways) {
    const row = await rowOf(`${SPARK}: ${way}`, truth, ({ name }) => found[`${name} ${way}`]);
    rows.set(
      `${SPARK}: ${way}`,
      way === 'table' ? row.map((cell) => (cell === 'exact' ? 'exact 1' : cell)) : row,
    );
  }
  const byDefault = await askSpark(endpoint, ['table'], true);
  rows.set(
    `${SPARK}: table, by default`,
    await rowOf(`${SPARK}: table, by default`, truth, ({ name }) => byDefault[`${name} table`]),
  );
  return rows;
}

/** What the example for Python yields of each hour. */
async function measureExample({ endpoint }: Sandbox, truth: Map<Form, number[]>): Promise<Rows> {
  const example = 'examples/read_committed.py';
  const answers = new Map<Form, Answer>();
  const env = { AWS_ENDPOINT_URL: endpoint, AWS_DEFAULT_REGION: 'us-east-1', ...credentials };
  for (const form of FORMS) {
    const uri = `s3://${BUCKET}/${PREFIX}${form.hour}/`;
    const lines = (await run(python, [join(ROOT, example), uri], '', env)).trimEnd().split('\n');
    answers.set(
      form,
      answerSchema.parse({ ids: lines.map((line) => (JSON.parse(line) as { id: number }).id) }),
    );
  }
  return new Map([[`${example}: manifest`, await rowOf(example, truth, (form) => answers.get(form))]]);
}

/** Copies the hours to another store. */
async function copyToStore(sandbox: Sandbox, endpoint: string): Promise<void> {
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: {
      accessKeyId: credentials.AWS_ACCESS_KEY_ID,
      secretAccessKey: credentials.AWS_SECRET_ACCESS_KEY,
    },
  });
  try {
    await client.send(new CreateBucketCommand({ Bucket: BUCKET })).catch((error: unknown) => {
      if (!(error instanceof Error && error.name.startsWith('BucketAlready'))) throw error;
    });
    for (const key of sandbox.keys(BUCKET, PREFIX))
      await client.send(
        new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: sandbox.get(BUCKET, key) ?? Buffer.alloc(0) }),
      );
  } finally {
    client.destroy();
  }
}

if (!existsSync(python)) await run('python3', ['-m', 'venv', options.venv]);
await run(python, ['-m', 'pip', '-q', 'install', ...PACKAGES]);
const sandbox = await startSandbox({ buckets: [BUCKET] });
const folder = mkdtempSync(join(tmpdir(), 'readers-'));
try {
  const truth = new Map<Form, number[]>();
  for (const form of FORMS) truth.set(form, await makeHour(cli, sandbox, form));
  copyTo(folder, sandbox);
  if (options.endpoint !== undefined) await copyToStore(sandbox, options.endpoint);
  const rows: Rows = new Map([
    ...(await measureHere({ sandbox, folder, truth })),
    ...(await measureSpark(options.endpoint ?? sandbox.endpoint, truth)),
    ...(await measureFrames(sandbox, folder, truth)),
    ...(await measureExample(sandbox, truth)),
  ]);
  for (const [name, cells] of rows) process.stdout.write(`${name}: ${cells.join(' | ')}\n`);
  const before = readFileSync(PAGE, 'utf8');
  const after = withRows(before, rows);
  if (options.update) writeFileSync(PAGE, after);
  const squeezed = (page: string): string => page.replaceAll(/ +| *-{3,} */g, ' ');
  if (!options.update && squeezed(after) !== squeezed(before)) {
    console.error('docs/readers.md says otherwise: npm run readers -- --update');
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
  await sandbox.close();
}
