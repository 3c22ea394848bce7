import {
  type Location,
  type Store,
  type WantedKeys,
  extract as extractOnce,
  extractAll,
} from '../../lambda/rollup/index.ts';
import { readFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { RollupError } from '../../lambda/errors.ts';
import { writeToS3 } from '../output/to-s3.ts';
import { destinationCommand, parseDestination } from '../options/options.ts';
import { EXIT } from '../output/exit-code.ts';
import { KeyFolder } from '../output/folder.ts';
import { resolveTyped, writeWhole } from '../output/output-file.ts';
import { formatJson, formatLines, formatNoun, printResult } from '../output/output.ts';
import { typedSettings } from '../options/setting-options.ts';
import { type SettingsFile, readSettingsFile } from '../options/settings-file.ts';
import { outputs } from '../../lambda/settings/outputs.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup extract \\
      s3://application-logs/aggregated/checkout/20261121/08/ \\
      i-0a1b/app-000123.log
  $ s3-rollup extract --hour 2026-11-21T08 \\
      --output app.log.gz \\
      's3://application-logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      raw/checkout/20261121/08/i-0a1b/app-000123.log.gz
  $ s3-rollup extract --folder restored --prefix i-0a1b/ \\
      s3://application-logs/aggregated/checkout/20261121/08/
  $ s3-rollup extract --to s3://application-logs/restored/ --prefix '' \\
      s3://application-logs/aggregated/checkout/20261121/08/

The objects need not be in raw any more. Of several, each becomes a file below
an empty --folder, or an object under --to. A key that would lead out of it, or
to the file of another key, is named and left out, and the command ends with 1.
In S3 nothing is replaced without --overwrite; what is there already with the
same bytes is done, so that the same command goes on where one was stopped.`;

/** Objects in work at once, where the settings do not say. */
const DEFAULT_CONCURRENCY = 16;

const collect = (text: string, before: string[] = []): string[] => [...before, text];

export const extract = destinationCommand('extract', 'write original objects, byte for byte')
  .argument('[destination]', 'prefix of a rollup: s3://bucket/prefix/')
  .argument('[source-key...]', 'key of the object, whole or behind the source prefix')
  .option('--output <file>', 'write to this file instead of stdout; it appears once it is whole')
  .option('--folder <folder>', 'write several objects, each to a file below this folder, which is empty')
  .option('--to <uri>', 'write objects to S3, each under this prefix, which is reached as the source is')
  .option('--prefix <prefix>', 'several: all whose keys begin so; repeatable; "" for all', collect)
  .option('--keys-from <file>', 'several: keys of a file, one a line')
  .optionsGroup('Objects in S3, with --to:')
  .option('--overwrite', 'replace objects that are there with other bytes')
  .option('--concurrency <number>', `objects in work at once (default: ${DEFAULT_CONCURRENCY})`)
  .option('--storage-class <class>', "storage class; otherwise S3's own default, STANDARD")
  .option('--kms-key-id <key>', "KMS key; otherwise the bucket's own encryption")
  .option('--sse <algorithm>', 'encryption header, for buckets that refuse uploads without one: AES256')
  .addHelpText('after', EXAMPLES)
  .action(async (first, others, options) => {
    const file = readSettingsFile(options.config);
    const given = [...(first === undefined ? [] : [first]), ...others];
    // With a destination in the settings file, keys alone are enough.
    const asksForMore = others.length > 0 || options.prefix !== undefined || options.keysFrom !== undefined;
    const hasDestination =
      first !== undefined && (file.destination === undefined || (first.startsWith('s3://') && asksForMore));
    const keys = hasDestination ? given.slice(1) : given;
    const typed = hasDestination ? first : undefined;
    const several = { keys, prefixes: options.prefix ?? [], keysFrom: options.keysFrom };
    refuseMixture(several, options);
    // Read before anything is connected: a list that is not there is told before a region that is not known.
    const wanted = (options.folder ?? options.to) === undefined ? NONE : wantedOf(several);
    const { destination, to, connection, settings } = await parseDestination(typed, options, {
      file: forRestored(file),
      typed: typedSettings(options),
      byDefault: { concurrency: DEFAULT_CONCURRENCY },
      to: options.to,
    });
    try {
      const [key = ''] = keys;
      if (to !== undefined) {
        const overwrite = options.overwrite === true;
        await writeToS3(connection, { destination, wanted, to, overwrite }, settings, options);
      } else if (options.folder === undefined) await writeOne(connection.store, destination, key, options);
      else await writeSeveral(connection.store, destination, wanted, { ...options, folder: options.folder });
    } finally {
      connection.close();
    }
  });

/** The settings file without what it says of outputs: objects that are restored are none. */
function forRestored(file: SettingsFile): SettingsFile {
  const kept = Object.entries(file.settings).filter(([name]) => !Object.hasOwn(outputs, name));
  return { ...file, settings: Object.fromEntries(kept) };
}

const NONE: WantedKeys = { keys: new Set(), prefixes: [] };

interface Several {
  keys: string[];
  prefixes: string[];
  keysFrom: string | undefined;
}

/** The flags that say where to, and how. */
interface Whither {
  json?: true | undefined;
  output?: string | undefined;
  folder?: string | undefined;
  to?: string | undefined;
  overwrite?: true | undefined;
  storageClass?: string | undefined;
  kmsKeyId?: string | undefined;
  sse?: string | undefined;
}

/** Throws `InvalidArgument` for flags that do not go together. */
function refuseMixture({ keys, prefixes, keysFrom }: Several, options: Whither): void {
  const { json, output, folder, to } = options;
  if (folder !== undefined && to !== undefined)
    throw wrong('--folder and --to are two places: give one of them.');
  if (folder?.startsWith('s3://') === true)
    throw wrong(`--folder ${folder} must be a folder of this machine: to write to S3, give --to ${folder}.`);
  if (output?.startsWith('s3://') === true)
    throw wrong(`--output ${output} must be a file of this machine: to write to S3, give --to and a prefix.`);
  if (output !== undefined && (folder ?? to) !== undefined)
    throw wrong(`--output is for one object: leave it out beside ${to === undefined ? '--folder' : '--to'}.`);
  if (to === undefined) {
    const { overwrite, storageClass, kmsKeyId, sse } = options;
    const ofObjects = { overwrite, 'storage-class': storageClass, 'kms-key-id': kmsKeyId, sse };
    const [idle] = Object.entries(ofObjects).find(([, value]) => value !== undefined) ?? [];
    if (idle !== undefined) throw wrong(`--${idle} is for objects in S3: it needs --to.`);
  }
  if ((folder ?? to) !== undefined) return;
  if (keys.length > 1 || prefixes.length > 0 || keysFrom !== undefined)
    throw wrong('--folder or --to is missing: several objects are written to files or to S3.');
  if (keys.length === 0) throw wrong('source-key is missing.');
  if (json === true && output === undefined)
    throw wrong('--json needs --output, --folder or --to: without them, stdout is for the object.');
}

/** The keys that are asked for. Throws `InvalidArgument` if there are none. */
function wantedOf({ keys, prefixes, keysFrom }: Several): WantedKeys {
  const listed = keysFrom === undefined ? [] : readKeys(keysFrom);
  const wanted = { keys: new Set([...keys, ...listed]), prefixes };
  if (wanted.keys.size + prefixes.length === 0)
    throw wrong('Nothing is asked for: give keys, --keys-from, or --prefix, which may be "" for all.');
  return wanted;
}

function wrong(message: string): RollupError {
  return new RollupError('InvalidArgument', message);
}

async function writeOne(
  store: Store,
  destination: Location,
  key: string,
  options: { output?: string | undefined; progress: boolean; json?: true | undefined },
): Promise<void> {
  const { source, bytes } = await extractOnce(store, destination, key);
  if (options.output === undefined) return writeOut(bytes);
  const output = resolveTyped(options.output);
  const written = await writeWhole(output, bytes);
  if (options.progress)
    process.stderr.write(formatLines([`wrote ${output}, ${formatNoun(written, 'byte')}`]));
  if (options.json === true) process.stdout.write(formatJson({ key: source.key, bytes: written, output }));
}

/** The result of `extract --folder`. */
export interface Extracted {
  folder: string;
  objects: number;
  bytes: number;
  /** Keys that no file of the folder can have. */
  refused: { key: string; why: string }[];
  /** Keys that were asked for and are not in the rollup. */
  missing: string[];
}

async function writeSeveral(
  store: Store,
  destination: Location,
  wanted: WantedKeys,
  options: { folder: string; json?: true | undefined },
): Promise<void> {
  const folder = resolveTyped(options.folder);
  const files = await KeyFolder.open(folder);
  // Another run may commit meanwhile, and the reading begin again.
  const done = new Set<string>();
  const result: Extracted = { folder, objects: 0, bytes: 0, refused: [], missing: [] };
  result.missing = await extractAll(store, destination, wanted, async ({ key }, name, bytes) => {
    if (done.has(key)) return;
    const why = files.refusal(name);
    if (why !== undefined) {
      done.add(key);
      result.refused.push({ key, why });
      return;
    }
    result.bytes += await files.write(name, bytes);
    result.objects++;
    done.add(key);
  });
  printResult(result, formatExtracted, options);
  if (result.refused.length + result.missing.length > 0) process.exitCode = EXIT.failed;
}

function formatExtracted({ folder, objects, bytes, refused, missing }: Extracted): string[] {
  return [
    `wrote ${formatNoun(objects, 'object')}, ${formatNoun(bytes, 'byte')}, below ${folder}`,
    ...refused.map(({ key, why }) => `not written: ${key}: ${why}`),
    ...missing.map((key) => `not in the rollup: ${key}`),
  ];
}

/** The lines of a file. Throws `InvalidArgument` if it cannot be read. */
function readKeys(file: string): string[] {
  try {
    return readFileSync(resolveTyped(file), 'utf8')
      .split(/\r?\n/)
      .filter((line) => line !== '');
  } catch (cause) {
    throw new RollupError('InvalidArgument', `--keys-from ${file} cannot be read.`, { cause });
  }
}

/** Writes to stdout. A reader that closes the pipe early (`| head`) is no failure. */
async function writeOut(bytes: AsyncIterable<Buffer>): Promise<void> {
  try {
    await pipeline(bytes, process.stdout, { end: false });
  } catch (error) {
    if (!isClosedPipe(error)) throw error;
  }
}

function isClosedPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}
