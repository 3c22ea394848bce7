import { type Partition, type Partitioned, expressionOf, globOf, partitionsOf } from './partitions.ts';

export const READERS = ['athena', 'trino', 'spark', 'duckdb'] as const;
export type Reader = (typeof READERS)[number];
export const FORMATS = ['json', 'csv', 'tsv', 'lines'] as const;
export type Format = (typeof FORMATS)[number];

/** A table over the rollups of a destination. */
export interface Table {
  name: string;
  /** The pattern of the destination, `s3://bucket/app/{yyyy}{MM}{dd}/{HH}/`. */
  destination: string;
  format: Format;
  /** Columns of the logs, with types of Hive. */
  columns: { name: string; type: string }[];
  /** Read by the list of `symlinkManifest`, rather than by the prefix. */
  byList: boolean;
  headerLines: number;
  /** As in the settings. */
  codec: string;
  /** Outputs lie in folders of groups. */
  isGrouped: boolean;
}

/** The statement that makes a table, or a view, for a reader. It ends with a newline. */
export function statementFor(reader: Reader, table: Table): string {
  const partitioned = partitionsOf(table.destination);
  switch (reader) {
    case 'athena':
      return hiveTable(table, partitioned, 's3');
    case 'trino':
      return [
        '-- For Hive or AWS Glue, whose tables Trino reads. Trino takes the projection with',
        '-- hive.partition-projection-enabled=true; without, add the partitions that have logs.',
        ...(table.isGrouped && !table.byList
          ? ['-- Groups are folders: hive.recursive-directories=true, or the table has 0 rows.']
          : []),
        hiveTable(table, partitioned, 's3'),
      ].join('\n');
    case 'spark':
      return table.byList ? sparkTable(table, partitioned) : sparkView(table, partitioned);
    case 'duckdb':
      return duckDbView(table, partitioned);
  }
}

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const LIST = '_symlink_format_manifest/';

const SERDES: Record<Format, { athena: string[]; spark: string[] }> = {
  json: {
    athena: [
      "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'",
      "WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')",
    ],
    spark: ["ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'"],
  },
  csv: {
    athena: ["ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"],
    spark: ["ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"],
  },
  tsv: { athena: [delimited('\\t')], spark: [delimited('\\t')] },
  lines: { athena: [delimited('\\001')], spark: [delimited('\\001')] },
};

function delimited(by: string): string {
  return `ROW FORMAT DELIMITED FIELDS TERMINATED BY '${by}'`;
}

function storedAs({ byList }: Table): string[] {
  if (!byList) return ['STORED AS TEXTFILE'];
  return [
    'STORED AS',
    "  INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'",
    "  OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'",
  ];
}

/** `hive.serde` text of a table that is not finished: the properties follow. */
function definition(
  table: Table,
  { root, partitions }: Partitioned,
  serde: string[],
  scheme: string,
): string[] {
  const { name, columns } = table;
  const rows = columns.map((column) => `  \`${column.name}\` ${column.type}`);
  const by = partitions.map((partition) => `\`${partition.name}\` string`).join(', ');
  return [
    `CREATE EXTERNAL TABLE \`${name}\` (`,
    rows.join(',\n'),
    ')',
    ...(partitions.length === 0 ? [] : [`PARTITIONED BY (${by})`]),
    ...serde,
    ...storedAs(table),
    `LOCATION ${text(withScheme(partitions.length === 0 && table.byList ? root + LIST : root, scheme))}`,
  ];
}

const withScheme = (uri: string, scheme: string): string => uri.replace(/^s3:/, `${scheme}:`);

function hiveTable(table: Table, partitioned: Partitioned, scheme: string): string {
  const { partitions, template } = partitioned;
  const properties: [string, string][] =
    table.headerLines === 0 ? [] : [['skip.header.line.count', String(table.headerLines)]];
  if (partitions.length > 0) {
    properties.push(['projection.enabled', 'true'], ...partitions.flatMap(projectionOf));
    properties.push(['storage.location.template', template + (table.byList ? LIST : '')]);
  }
  const lines = definition(table, partitioned, SERDES[table.format].athena, scheme);
  if (properties.length === 0) return `${lines.join('\n')};\n`;
  const rows = properties.map(([key, value]) => `  ${text(key)} = ${text(value)}`);
  return `${[...lines, 'TBLPROPERTIES (', rows.join(',\n'), ')'].join('\n')};\n`;
}

function projectionOf({ name, is }: Partition): [string, string][] {
  const key = (property: string): string => `projection.${name}.${property}`;
  if (is.type === 'date') {
    const first = is.format.replace('yyyy', '2026').replace('MM', '01').replace('dd', '01');
    return [
      [key('type'), 'date'],
      [key('format'), is.format],
      [key('range'), `${first},NOW`],
    ];
  }
  return [
    [key('type'), 'integer'],
    [key('range'), `${is.from},${is.to}`],
    [key('digits'), String(is.digits)],
  ];
}

/** What Spark has to be told of the outputs, as comments. */
function sparkNotes({ headerLines, codec }: Table): string[] {
  const notes = [];
  if (headerLines > 0)
    notes.push(
      `-- Each output begins with ${headerLines === 1 ? 'a header line' : `${headerLines} header lines`}, which Spark reads as rows: filter them out.`,
    );
  if (codec === 'zstd') notes.push('-- Spark reads zstd with the native libraries of Hadoop alone.');
  return notes;
}

function sparkTable(table: Table, partitioned: Partitioned): string {
  const { partitions, template } = partitioned;
  const lines = definition(table, partitioned, SERDES[table.format].spark, 's3a');
  const values = partitions.map(({ name, is }) => `\`${name}\` = '${example(name, is)}'`).join(', ');
  const at = template.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const found = partitions.find((partition) => partition.name === name);
    return found === undefined ? '' : example(name, found.is);
  });
  return [
    '-- With spark.hadoopRDD.ignoreEmptySplits=false, or the table has 0 rows, and with',
    '-- spark.hadoop.fs.s3.impl=org.apache.hadoop.fs.s3a.S3AFileSystem: the list has s3:// in it.',
    ...(table.format === 'json' ? ['-- The SerDe is in org.apache.hive.hcatalog:hive-hcatalog-core.'] : []),
    ...sparkNotes(table),
    `${lines.join('\n')};`,
    ...(partitions.length === 0
      ? []
      : [
          '-- One for each hour that has logs:',
          `ALTER TABLE \`${table.name}\` ADD PARTITION (${values})`,
          `LOCATION ${text(withScheme(at + LIST, 's3a'))};`,
        ]),
    '',
  ].join('\n');
}

/** The value of a column for the hour 2026-11-21T08. */
function example(name: string, is: Partition['is']): string {
  if (is.type === 'date') return is.format.replace('yyyy', '2026').replace('MM', '11').replace('dd', '21');
  return { year: '2026', month: '11', day: '21' }[name] ?? '08';
}

const SPARK_SOURCES: Record<Format, [source: string, ...options: string[]]> = {
  json: ['json'],
  csv: ['csv'],
  tsv: ['csv', "sep '\\t'"],
  lines: ['text'],
};

function sparkView(table: Table, partitioned: Partitioned): string {
  const [source, ...options] = SPARK_SOURCES[table.format];
  const glob = withScheme(globOf(partitioned), 's3a');
  const columns =
    table.format === 'lines'
      ? []
      : [`(${table.columns.map(({ name, type }) => `\`${name}\` ${type}`).join(', ')})`];
  const all = [
    `path ${text(table.isGrouped ? glob : `${glob}part-*`)}`,
    ...options,
    ...(table.isGrouped ? ["recursiveFileLookup 'true'"] : []),
  ];
  return [
    '-- By the prefix: it has the outputs of runs that were killed or are at work, too.',
    ...sparkNotes(table),
    `CREATE OR REPLACE TEMPORARY VIEW \`${table.name}\``,
    ...columns,
    `USING ${source}`,
    `OPTIONS (${all.join(', ')});`,
    '',
  ].join('\n');
}

/** Types of DuckDB in place of those of Hive that it has under another name. */
const DUCKDB_TYPES: Record<string, string> = { string: 'VARCHAR', binary: 'BLOB' };

function duckDbView(table: Table, partitioned: Partitioned): string {
  const glob = globOf(partitioned);
  const { expression, names } = expressionOf(partitioned);
  const files = table.byList
    ? "getvariable('outputs')"
    : text(`${glob}${table.isGrouped ? '**/' : ''}part-*`);
  const columns = table.columns
    .map(({ name, type }) => `${text(name)}: ${text(DUCKDB_TYPES[type.toLowerCase()] ?? type.toUpperCase())}`)
    .join(', ');
  const skip = table.headerLines === 0 ? '' : `, skip = ${table.headerLines}`;
  const exact = "auto_detect = false, quote = '', escape = '', header = false";
  const calls: Record<Format, string> = {
    json: `read_ndjson(${files}, columns = {${columns}}, filename = true)`,
    csv: `read_csv(${files}, columns = {${columns}}, header = false${skip}, filename = true)`,
    tsv: `read_csv(${files}, columns = {${columns}}, delim = '\\t', ${exact}${skip}, filename = true)`,
    lines: `read_csv(${files}, columns = {${columns}}, delim = '\\x01', ${exact}${skip}, filename = true)`,
  };
  const parts = names.map(
    (name, i) => `  regexp_extract(filename, ${text(expression)}, ${i + 1}) AS ${name}`,
  );
  return [
    ...(table.byList
      ? [
          '-- The lists as they are now: set the variable again to see later commits.',
          'SET VARIABLE outputs = (',
          '  SELECT list(uri) FROM (SELECT unnest(string_split(trim(content, chr(10)), chr(10))) AS uri',
          `  FROM read_text(${text(`${glob}${LIST}manifest`)}))`,
          ');',
        ]
      : ['-- By the prefix: it has the outputs of runs that were killed or are at work, too.']),
    `CREATE OR REPLACE VIEW ${table.name} AS`,
    ['SELECT * EXCLUDE (filename)', ...parts].join(',\n'),
    `FROM ${calls[table.format]};`,
    '',
  ].join('\n');
}
