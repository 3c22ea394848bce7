import { Command, Option } from '@commander-js/extra-typings';
import { RollupError } from '../../lambda/errors.ts';
import { fillHour, parseHour, parseLocation } from '../../lambda/rollup/index.ts';
import { partitionsOf } from '../ddl/partitions.ts';
import { FORMATS, READERS, statementFor } from '../ddl/statement.ts';
import { refuseGlob } from '../options/locations.ts';
import { addSettingOptions, typedSettings } from '../options/setting-options.ts';
import { SETTINGS_FILE, readSettingsFile, settingsOver } from '../options/settings-file.ts';
import { formatJson } from '../output/output.ts';
import { named, parseAll } from '../refusals.ts';

const EXAMPLES = `
Examples:
  $ s3-rollup ddl \\
      's3://application-logs/aggregated/checkout/{yyyy}{MM}{dd}/{HH}/' \\
      --reader athena --symlink-manifest \\
      --columns 'at string, level string, message string'
  $ s3-rollup ddl --reader duckdb --format csv --header-lines 1 \\
      --columns 'at timestamp, bytes bigint' \\
      's3://application-logs/aggregated/cdn/{yyyy}/{MM}/{dd}/{HH}/'

It prints a statement and asks nothing of AWS. Give the settings that rollups
are made with, or have them in the settings file: with --symlink-manifest the
table goes by the list and has what is committed, and nothing else.`;

/** Settings that a reader has to know. */
const SETTINGS = ['symlinkManifest', 'headerLines', 'groupBy', 'codec'];

const COLUMN = /^\s*([A-Za-z_]\w*)\s+([A-Za-z]\w*(?:\s*[(<][\w\s,:<>()]*[)>])?)\s*$/;

const base = new Command('ddl')
  .description('the statement for a table over rollups')
  .argument('[destination]', 'pattern of the rollups: s3://bucket/{yyyy}{MM}{dd}/{HH}/')
  .optionsGroup('Options:')
  .addOption(new Option('--reader <name>', 'whose statement').choices(READERS).makeOptionMandatory())
  .option('--table <name>', 'name of the table', 'logs')
  .option('--columns <list>', "columns of the logs, with Hive's types: 'at string, bytes bigint'")
  .addOption(new Option('--format <name>', 'of the lines (default: json with --columns)').choices(FORMATS))
  .option('--config <file>', `settings and locations as JSON (default: ${SETTINGS_FILE}, if there is one)`)
  .option('--json', 'the result as one JSON object on stdout, an error as one on stderr');
addSettingOptions(base, SETTINGS);

export const ddl = base.addHelpText('after', EXAMPLES).action((typedDestination, options) => {
  const file = readSettingsFile(options.config);
  const { destination, settings, columns, table } = parseAll({
    destination: () => named('destination', () => patternOf(typedDestination ?? file.destination)),
    settings: () => settingsOver(file, typedSettings(options)),
    columns: () => columnsOf(options.columns),
    table: () => tableOf(options.table),
  });
  const taken = partitionsOf(destination).partitions.find(({ name }) =>
    columns?.some((c) => c.name.toLowerCase() === name),
  );
  if (taken !== undefined) {
    const message = `--columns has a column ${taken.name}, which the table has of its folders: give it another name.`;
    throw new RollupError('InvalidArgument', message);
  }
  const format = options.format ?? (columns === undefined ? 'lines' : 'json');
  if ((format === 'lines') !== (columns === undefined)) {
    const message = `--format ${format} ${format === 'lines' ? 'has one column: leave out --columns' : 'needs --columns'}.`;
    throw new RollupError('InvalidArgument', message);
  }
  const statement = statementFor(options.reader, {
    name: table,
    destination,
    format,
    columns: columns ?? [{ name: 'line', type: 'string' }],
    byList: settings.symlinkManifest,
    headerLines: settings.headerLines,
    codec: settings.codec,
    isGrouped: settings.groupBy !== undefined && settings.groupBy !== '',
  });
  process.stdout.write(options.json === true ? formatJson({ reader: options.reader, statement }) : statement);
});

/** A destination with the slash at its end. Throws `InvalidArgument` for what is none. */
function patternOf(uri: string | undefined): string {
  if (uri === undefined)
    throw new RollupError(
      'InvalidArgument',
      `is missing: type it, or set "destination" in ${SETTINGS_FILE}.`,
    );
  refuseGlob(uri);
  // An hour stands in for all.
  parseLocation(fillHour(uri, parseHour('2026-11-21T08')));
  return uri.endsWith('/') ? uri : `${uri}/`;
}

function tableOf(name: string): string {
  if (/^[A-Za-z_]\w*$/.test(name)) return name;
  throw new RollupError('InvalidArgument', `--table must be a name such as checkout_logs, not "${name}".`);
}

function columnsOf(list: string | undefined): { name: string; type: string }[] | undefined {
  return list?.split(/,(?![^(<]*[)>])/).map((column) => {
    const [, name, type] = COLUMN.exec(column) ?? [];
    if (name !== undefined && type !== undefined) return { name, type };
    throw new RollupError(
      'InvalidArgument',
      `--columns must be names with types, 'at string, bytes bigint', not "${column.trim()}".`,
    );
  });
}
