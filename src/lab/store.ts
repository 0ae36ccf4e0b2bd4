/** All runs together: list, compare, delete, and collect the blobs that no run refers to any more. */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Interval, pairedBootstrap } from "../metrics/statistics/bootstrap.ts";
import { groupBy, numberAt, type Row, textAt } from "../plot/row.ts";
import { deleteBlob, listBlobs } from "./blobs.ts";
import { flatten } from "./describe.ts";
import { closeLedger } from "./ledger.ts";
import { runsRoot } from "./root.ts";
import { attachRun, type Run } from "./run.ts";
import { rowFiles, runIds } from "./run-files.ts";
import { escapeHtml } from "./table.ts";

export interface ListOptions {
  readonly root?: string;
  readonly name?: string;
  readonly tag?: string;
  /** Archived runs too; default false. */
  readonly includesArchived?: boolean;
}

/** Runs by time of creation, oldest first. Runs whose run.json is damaged are left out; `damagedRuns` names them. */
export function listRuns(options: ListOptions = {}): Run[] {
  const root = runsRoot(options.root);
  return runIds(root)
    .flatMap((id) => {
      try {
        return [attachRun(id, { root })];
      } catch {
        return [];
      }
    })
    .filter((run) => options.name === undefined || run.name === options.name)
    .filter((run) => options.tag === undefined || run.tags().includes(options.tag))
    .filter((run) => options.includesArchived === true || !run.isArchived())
    .sort((a, b) => (a.manifest.created < b.manifest.created ? -1 : 1));
}

export function damagedRuns(options: { root?: string } = {}): { id: string; problem: string }[] {
  const root = runsRoot(options.root);
  return foldersWithRows(root).flatMap((name) => {
    try {
      const problems = attachRun(name, { root }).problems();
      return problems.map((problem) => ({ id: name, problem: `${problem.problem} (byte ${problem.at})` }));
    } catch (error) {
      return [{ id: name, problem: (error as Error).message }];
    }
  });
}

/** Everything that is or was a run, damaged ones too. */
function foldersWithRows(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, entry.name, "rows")))
    .map((entry) => entry.name);
}

/** Deletes a run's folder; its blobs go with the next `collectGarbage`. @throws Error when there is no such run. */
export function deleteRun(id: string, options: { root?: string } = {}): void {
  const root = runsRoot(options.root);
  if (!runIds(root).includes(id)) {
    throw new Error(
      `Cannot delete the run "${id}" as there is none of that id under ${root}. See listRuns().`,
    );
  }
  // Renamed first: a reader sees the run whole or not at all.
  const doomed = join(root, `.deleted-${id}-${process.pid}`);
  renameSync(join(root, id), doomed);
  closeLedger(root, id);
  rmSync(doomed, { recursive: true, force: true });
}

export interface Garbage {
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Deletes blobs that no run refers to. Blobs younger than `graceSeconds` stay: another process may have stored one and
 * not yet written the row that refers to it. `isDryRun` only counts.
 */
export function collectGarbage(
  options: { root?: string; isDryRun?: boolean; graceSeconds?: number } = {},
): Garbage {
  const root = runsRoot(options.root);
  const { isDryRun = false, graceSeconds = 3600 } = options;
  // A run whose run.json is damaged or gone still holds what its rows refer to.
  const referred = new Set(
    foldersWithRows(root).flatMap((id) =>
      rowFiles(root, id)
        .rows("@artifacts")
        .map((artifact) => String(artifact["sha256"])),
    ),
  );
  const youngest = Date.now() - graceSeconds * 1000;
  const garbage = listBlobs(root).filter((blob) => !referred.has(blob.sha256) && blob.modified <= youngest);
  if (!isDryRun) for (const blob of garbage) deleteBlob(blob.path);
  return { blobs: garbage.length, bytes: garbage.reduce((sum, blob) => sum + blob.bytes, 0) };
}

export interface MissingBlob {
  readonly run: string;
  readonly name: string;
  readonly sha256: string;
}

/** Artifacts whose blob is gone: named, so that they can be made again. */
export function missingBlobs(options: { root?: string } = {}): MissingBlob[] {
  const root = runsRoot(options.root);
  const present = new Set(listBlobs(root).map((blob) => blob.sha256));
  return listRuns({ root, includesArchived: true }).flatMap((run) =>
    run
      .artifacts()
      .filter((artifact) => !present.has(artifact.sha256))
      .map((artifact) => ({ run: run.id, name: artifact.name, sha256: artifact.sha256 })),
  );
}

export interface Comparison {
  /** Settings in which the two differ. */
  readonly config: readonly { readonly setting: string; readonly a: unknown; readonly b: unknown }[];
  /** Other differences that could explain a result: code, lock file, device, machine. */
  readonly circumstances: readonly { readonly what: string; readonly a: unknown; readonly b: unknown }[];
  /** Means of both over rows with equal keys, and b - a with its interval. */
  readonly metrics: readonly (Interval & {
    readonly metric: string;
    readonly a: number;
    readonly b: number;
    readonly pairs: number;
  })[];
  [key: symbol]: () => Record<string, string>;
}

/**
 * What differs between two runs: settings, circumstances, and the paired difference (b - a) of each metric with its
 * bootstrap interval, over rows that agree in `by`.
 */
export function compareRuns(
  a: Run,
  b: Run,
  options: { kind?: string; by?: readonly string[]; metrics?: readonly string[] } = {},
): Comparison {
  const { kind = "search", by = ["prompt", "seed"] } = options;
  const settingsA = flatten(a.config);
  const settingsB = flatten(b.config);
  const config = [...new Set([...Object.keys(settingsA), ...Object.keys(settingsB)])]
    .filter((key) => settingsA[key] !== settingsB[key])
    .map((setting) => ({ setting, a: settingsA[setting] ?? null, b: settingsB[setting] ?? null }));
  const facts = (run: Run): Record<string, unknown> => ({
    commit: run.manifest.code.commit,
    "uncommitted changes": run.manifest.code.diffHash,
    "lock file": run.manifest.code.lockfileHash,
    device: run.manifest.device,
    cpu: run.manifest.machine.cpu,
    node: run.manifest.machine.node,
  });
  const factsA = facts(a);
  const factsB = facts(b);
  const circumstances = Object.keys(factsA)
    .filter((what) => factsA[what] !== factsB[what])
    .map((what) => ({ what, a: factsA[what], b: factsB[what] }));
  const metrics = pairedMetrics(a.rows(kind), b.rows(kind), by, options.metrics);
  const made = { config, circumstances, metrics };
  return Object.freeze({
    ...made,
    [Symbol.for("Jupyter.display")]: () => ({
      "text/html": comparisonHtml(a, b, made),
      "text/plain": comparisonText(a, b, made),
    }),
  });
}

function pairedMetrics(
  rowsA: readonly Row[],
  rowsB: readonly Row[],
  by: readonly string[],
  names: readonly string[] | undefined,
) {
  const key = (row: Row) => JSON.stringify(by.map((column) => textAt(row, column)));
  const groupsA = groupBy(rowsA, key);
  const groupsB = groupBy(rowsB, key);
  const columns =
    names ??
    [...new Set(rowsA.flatMap((row) => Object.keys(row)))].filter(
      (column) => !by.includes(column) && rowsA.some((row) => Number.isFinite(numberAt(row, column))),
    );
  const level = (rows: readonly Row[], column: string) => {
    const values = rows.map((row) => numberAt(row, column)).filter(Number.isFinite);
    return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return columns.flatMap((metric) => {
    const pairs = [...groupsA]
      .filter(([name]) => groupsB.has(name))
      .map(([name, rows]) => [level(rows, metric), level(groupsB.get(name)!, metric)] as const)
      .filter((pair) => pair.every(Number.isFinite));
    if (pairs.length < 2) return [];
    const difference = pairedBootstrap(
      pairs.map((pair) => pair[1]),
      pairs.map((pair) => pair[0]),
    );
    const mean = (side: 0 | 1) => pairs.reduce((sum, pair) => sum + pair[side], 0) / pairs.length;
    return [{ metric, a: mean(0), b: mean(1), pairs: pairs.length, ...difference }];
  });
}

type Differences = Pick<Comparison, "config" | "circumstances" | "metrics">;

const number = (value: number) => Number(value.toPrecision(4)).toString();

/** Two tables: what differs in setting and circumstance, and the metrics with their paired difference. */
function comparisonHtml(a: Run, b: Run, { config, circumstances, metrics }: Differences): string {
  const line = (tag: string, cells: readonly unknown[]) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(String(cell))}</${tag}>`).join("")}</tr>`;
  const tableOf = (head: readonly string[], lines: readonly (readonly unknown[])[]) =>
    lines.length === 0
      ? ""
      : `<table><thead>${line("th", head)}</thead><tbody>${lines.map((cells) => line("td", cells)).join("")}</tbody></table>`;
  const differences = [
    ...config.map((change) => [change.setting, change.a, change.b]),
    ...circumstances.map((change) => [`(${change.what})`, change.a, change.b]),
  ];
  const numbers = metrics.map((one) => [
    one.metric,
    number(one.a),
    number(one.b),
    `${number(one.estimate)} [${number(one.low)}, ${number(one.high)}]`,
    one.pairs,
  ]);
  return (
    tableOf(["setting", a.id, b.id], differences) +
    tableOf(["metric", a.id, b.id, "paired difference", "pairs"], numbers)
  );
}

function comparisonText(a: Run, b: Run, made: Differences): string {
  return [
    `${b.id} against ${a.id}`,
    ...made.config.map((change) => `  ${change.setting}: ${change.a} -> ${change.b}`),
    ...made.circumstances.map((change) => `  (${change.what}: ${change.a} -> ${change.b})`),
    ...made.metrics.map(
      (metric) =>
        `  ${metric.metric}: ${metric.estimate >= 0 ? "+" : ""}${number(metric.estimate)} [${number(metric.low)}, ${number(metric.high)}] over ${metric.pairs} pairs`,
    ),
  ].join("\n");
}

/** Bytes on disk of a run's own folder. */
export function runBytes(run: Run): number {
  const walk = (folder: string): number =>
    readdirSync(folder, { withFileTypes: true }).reduce(
      (sum, entry) =>
        sum +
        (entry.isDirectory() ? walk(join(folder, entry.name)) : statSync(join(folder, entry.name)).size),
      0,
    );
  return walk(run.path());
}
