import { DuckDBInstance } from '@duckdb/node-api';

/**
 * Runs statements, and returns the ids of the rows that the last of them answers with.
 *
 * @throws Error as DuckDB does, and for an answer without ids
 */
export async function idsByDuckDb(sql: string): Promise<number[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    let rows: Record<string, unknown>[] = [];
    const extracted = await connection.extractStatements(sql);
    for (let i = 0; i < extracted.count; i++) {
      const prepared = await extracted.prepare(i);
      rows = (await prepared.runAndReadAll()).getRowObjects();
    }
    return rows.map(({ id }) => Number(id));
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
