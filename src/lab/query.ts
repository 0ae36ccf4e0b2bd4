/**
 * SQL over all runs: DuckDB in memory, one view per kind of rows (with a column `run`), and a view `runs` of what each
 * run was. Nothing is copied into a database, nothing is installed: autoloading of extensions is off.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Cell, Row } from "../plot/row.ts";
import { flatten, type Json } from "./describe.ts";
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

/** Files of rows by kind, over all runs. */
function filesByKind(root: string): Map<string, string[]> {
  const files = new Map<string, string[]>();
  for (const id of runIds(root)) {
    const folder = join(root, id, "rows");
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder)) {
      if (!name.endsWith(".jsonl")) continue;
      const kind = name.slice(0, name.indexOf("."));
      const own = files.get(kind);
      if (own) own.push(join(folder, name));
      else files.set(kind, [join(folder, name)]);
    }
  }
  return files;
}

/** Views for what the statement mentions; scanning kinds that it does not would cost for nothing. */
async function makeViews(connection: DuckDBConnection, root: string, sql: string): Promise<void> {
  const mentions = (name: string) => new RegExp(`(^|[^A-Za-z0-9_])${name}($|[^A-Za-z0-9_])`, "i").test(sql);
  for (const [kind, files] of filesByKind(root)) {
    const view = kind.replace(/^@/, "_").replaceAll("-", "_");
    if (!mentions(view)) continue;
    await connection.run(
      `CREATE TEMP VIEW ${named(view)} AS SELECT * EXCLUDE (filename), ` +
        `regexp_extract(replace(filename, '\\', '/'), '([^/]+)/rows/[^/]+$', 1) AS run ` +
        `FROM read_json([${files.map(quoted).join(",")}], format='newline_delimited', union_by_name=true, ` +
        `ignore_errors=true, filename=true, sample_size=-1, maximum_depth=2)`,
    );
  }
  if (mentions("runs")) await makeRunsView(connection, root);
}

async function makeRunsView(connection: DuckDBConnection, root: string): Promise<void> {
  await connection.run(
    "CREATE TEMP TABLE runs (run VARCHAR, name VARCHAR, created VARCHAR, commit VARCHAR, dirty BOOLEAN, device VARCHAR, config JSON)",
  );
  for (const id of runIds(root)) {
    let line: string;
    try {
      const { name, created, code, device, config } = readManifest(root, id);
      const text = (value: string | null) => (value === null ? "NULL" : quoted(value));
      const settings = quoted(JSON.stringify(flatten(config as Json)));
      line = `(${quoted(id)}, ${quoted(name)}, ${quoted(created)}, ${text(code.commit)}, ${code.isDirty ?? "NULL"}, ${text(device)}, ${settings})`;
    } catch {
      // A damaged run.json is named by damagedRuns(); here the other runs still answer.
      continue;
    }
    await connection.run(`INSERT INTO runs VALUES ${line}`);
  }
}

/**
 * Rows of a SQL statement over all runs.
 * @example await queryRows("SELECT strategy, avg(score) AS score FROM search GROUP BY strategy")
 * @throws Error with DuckDB's message and the kinds there are.
 */
export async function queryRows(sql: string, options: { root?: string } = {}): Promise<Row[]> {
  const root = runsRoot(options.root);
  const connection = await connect();
  try {
    await makeViews(connection, root, sql);
    const reader = await connection.runAndReadAll(sql);
    return reader.getRowObjectsJS().map((row) => plainRow(row));
  } catch (error) {
    const kinds = [...filesByKind(root).keys()].map((kind) => kind.replace(/^@/, "_").replaceAll("-", "_"));
    throw new Error(
      `Cannot answer the query: ${(error as Error).message.split("\n")[0]}. The views are runs${kinds.length > 0 ? `, ${[...new Set(kinds)].sort().join(", ")}` : ""}.`,
    );
  } finally {
    connection.closeSync();
  }
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
  const connection = await connect();
  try {
    await makeViews(connection, runsRoot(options.root), sql);
    await connection.run(`COPY (${sql.replace(/;\s*$/, "")}) TO ${quoted(path)} (FORMAT PARQUET)`);
  } finally {
    connection.closeSync();
  }
}
