/**
 * SQL over all runs: DuckDB in memory, one view per kind of rows (with a column `run`), and a view `runs` of what each
 * run was. Nothing is copied into a database, nothing is installed: autoloading of extensions is off.
 */
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Cell, Row } from "../plot/row.ts";
import { flatten, type Json } from "./describe.ts";
import { jsonlReader } from "./jsonl.ts";
import { runsRoot } from "./root.ts";
import { readManifest, runIds } from "./run-files.ts";
import { escapeHtml } from "./table.ts";

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const named = (name: string) => `"${name.replaceAll('"', '""')}"`;

async function connect(): Promise<DuckDBConnection> {
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const instance = await DuckDBInstance.create(":memory:", {
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    // Sums are taken in one order, so the last digit does not depend on the machine.
    threads: "1",
  });
  return instance.connect();
}

interface RowFile {
  readonly run: string;
  readonly path: string;
}

/** Files of rows by the name of their view, over all runs. */
function filesByView(root: string): Map<string, RowFile[]> {
  const files = new Map<string, RowFile[]>();
  for (const run of runIds(root)) {
    const folder = join(root, run, "rows");
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder)) {
      if (!name.endsWith(".jsonl")) continue;
      const view = name.slice(0, name.indexOf(".")).replace(/^@/, "_").replaceAll("-", "_");
      const own = files.get(view);
      const file = { run, path: join(folder, name) };
      if (own) own.push(file);
      else files.set(view, [file]);
    }
  }
  return files;
}

/** Views for what the statement mentions; scanning kinds that it does not would cost for nothing. */
async function makeViews(
  connection: DuckDBConnection,
  root: string,
  sql: string,
  scratch: string,
): Promise<void> {
  const mentions = (name: string) => new RegExp(`(^|[^A-Za-z0-9_])${name}($|[^A-Za-z0-9_])`, "i").test(sql);
  for (const [view, files] of filesByView(root)) {
    if (!mentions(view)) continue;
    const path = join(scratch, `${view}.jsonl`);
    if (gatherRows(files, path) === 0) continue;
    await connection.run(
      `CREATE TEMP VIEW ${named(view)} AS SELECT * FROM read_json(${quoted(path)}, ` +
        "format='newline_delimited', sample_size=-1, maximum_depth=2)",
    );
  }
  if (mentions("runs")) await makeRunsTable(connection, root, scratch);
}

/**
 * Whole rows of many files as one, each with its run. DuckDB opens and samples every file it is given, which takes ten
 * times as long for thousands of small ones; here torn lines are left out as everywhere in the store. Returns the count.
 */
function gatherRows(files: readonly RowFile[], path: string): number {
  const out = openSync(path, "w");
  let count = 0;
  let pending: string[] = [];
  let size = 0;
  const flush = () => {
    if (pending.length > 0) writeSync(out, pending.join(""));
    pending = [];
    size = 0;
  };
  try {
    for (const { run, path: file } of files) {
      const tail = `,"run":${JSON.stringify(run)}}\n`;
      for (const row of jsonlReader(file).read()) {
        const line = JSON.stringify(row).slice(0, -1);
        pending.push(line === "{" ? `{${tail.slice(1)}` : line + tail);
        size += line.length;
        count++;
        if (size > 4_000_000) flush();
      }
    }
    flush();
  } finally {
    closeSync(out);
  }
  return count;
}

async function makeRunsTable(connection: DuckDBConnection, root: string, scratch: string): Promise<void> {
  const lines = runIds(root).flatMap((run) => {
    try {
      const { name, created, code, device, config } = readManifest(root, run);
      const facts = { run, name, created, commit: code.commit, dirty: code.isDirty, device };
      return [`${JSON.stringify({ ...facts, config: JSON.stringify(flatten(config as Json)) })}\n`];
    } catch {
      // A damaged run.json is named by damagedRuns(); here the other runs still answer.
      return [];
    }
  });
  const path = join(scratch, "runs.jsonl");
  writeFileSync(path, lines.join(""));
  const types =
    "{run: 'VARCHAR', name: 'VARCHAR', created: 'VARCHAR', commit: 'VARCHAR', dirty: 'BOOLEAN', device: 'VARCHAR', config: 'VARCHAR'}";
  await connection.run(
    `CREATE TEMP VIEW runs AS SELECT * REPLACE (config::JSON AS config) FROM read_json(${quoted(path)}, ` +
      `format='newline_delimited', columns=${types})`,
  );
}

/** A connection with the views that a statement needs, and a folder that goes when it is closed. */
async function withViews<T>(
  sql: string,
  root: string,
  work: (connection: DuckDBConnection) => Promise<T>,
): Promise<T> {
  const scratch = mkdtempSync(join(tmpdir(), "zoetrope-query-"));
  const connection = await connect();
  try {
    await makeViews(connection, root, sql, scratch);
    return await work(connection);
  } catch (error) {
    throw new Error(
      `Cannot answer the query: ${(error as Error).message.split("\n")[0]}. The views are ${["runs", ...[...filesByView(root).keys()].sort()].join(", ")}.`,
    );
  } finally {
    connection.closeSync();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Rows of a SQL statement over all runs.
 * @example await queryRows("SELECT strategy, avg(score) AS score FROM search GROUP BY strategy")
 * @throws Error with DuckDB's message and the kinds there are.
 */
export async function queryRows(sql: string, options: { root?: string } = {}): Promise<Row[]> {
  return withViews(sql, runsRoot(options.root), async (connection) => {
    const reader = await connection.runAndReadAll(sql);
    return reader.getRowObjectsJS().map((row) => plainRow(row));
  });
}

/** DuckDB's own types as plain values: 64-bit integers as numbers where exact, dates as text. */
function plainRow(row: Record<string, unknown>): Row {
  return Object.fromEntries(
    Object.entries(row)
      .filter(([key]) => key === "_" || !["_t", "_n", "_nonfinite"].includes(key))
      .map(([key, value]) => [key, plainCell(value)]),
  );
}

function plainCell(value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (typeof value === "bigint") {
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
      ? Number(value)
      : value.toString();
  }
  if (typeof value === "number" || typeof value === "string" || typeof value === "boolean") return value;
  if (value instanceof Date) return value.toISOString();
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === "bigint" ? member.toString() : member,
  );
}

/** The same as a danfojs DataFrame that shows as a table in a notebook. */
export async function query(sql: string, options: { root?: string } = {}) {
  return dataFrame(await queryRows(sql, options));
}

/** Rows as a danfojs DataFrame. */
export async function dataFrame(rows: readonly Row[]) {
  const danfo = (await import("danfojs-node")) as unknown as {
    default?: { DataFrame: new (data: object[]) => object };
    DataFrame?: new (data: object[]) => object;
  };
  const DataFrame = (danfo.DataFrame ?? danfo.default?.DataFrame)!;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const frame = new DataFrame(
    rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column] ?? null]))),
  );
  Object.defineProperty(frame, Symbol.for("Jupyter.display"), {
    value: () => ({ "text/html": htmlTable(columns, rows), "text/plain": String(frame) }),
  });
  return frame as import("danfojs-node").DataFrame;
}

function htmlTable(columns: readonly string[], rows: readonly Row[], most = 50): string {
  const cell = (value: Cell) =>
    typeof value === "number" && !Number.isInteger(value)
      ? value.toPrecision(5)
      : escapeHtml(String(value ?? ""));
  const head = columns.map((column) => `<th>${escapeHtml(column)}</th>`).join("");
  const body = rows
    .slice(0, most)
    .map((row) => `<tr>${columns.map((column) => `<td>${cell(row[column])}</td>`).join("")}</tr>`)
    .join("");
  const more = rows.length > most ? `<p>${rows.length - most} more rows</p>` : "";
  return `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>${more}`;
}

/** Writes the rows of a statement as Parquet (the same rows give the same bytes). */
export async function exportParquet(
  sql: string,
  path: string,
  options: { root?: string } = {},
): Promise<void> {
  await withViews(sql, runsRoot(options.root), (connection) =>
    connection.run(`COPY (${sql.replace(/;\s*$/, "")}) TO ${quoted(path)} (FORMAT PARQUET)`),
  );
}
