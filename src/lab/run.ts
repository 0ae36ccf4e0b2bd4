/**
 * A run: everything that was done under one configuration. Rows are appended as they come and are safe at once;
 * opening a run by name alone attaches to the newest run of that name, also while another process makes it.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, renameSync, statSync, watch, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Cost, Meter } from "../diffusion/nfe.ts";
import type { Row } from "../plot/row.ts";
import { tf } from "../tensor/tf.ts";
import { type Blob, getBlob, putBlob } from "./blobs.ts";
import { describe, flatten, type Json } from "./describe.ts";
import { canonicalJson, sha256, sha256File } from "./hash.ts";
import { encodeRow, type JsonlWriter, jsonlWriter, type Problem } from "./jsonl.ts";
import { booked, closeLedger, type Ledger, ledgerLine, openLedger, totalCost } from "./ledger.ts";
import { type CodeState, codeState, machine } from "./provenance.ts";
import { runsRoot } from "./root.ts";
import { checkKind, type InputFile, type Manifest, readManifest, rowFiles, runIds } from "./run-files.ts";

export interface OpenRunOptions {
  /** Folder of all runs; default data/runs of the package, or ZOETROPE_RUNS. */
  readonly root?: string;
  readonly seeds?: readonly number[];
  /** Files the run depends on (checkpoints, data sets); recorded by hash. */
  readonly inputs?: readonly string[];
}

export interface Artifact extends Blob {
  readonly name: string;
  readonly media: string;
}

export type { Ledger } from "./ledger.ts";

export interface Run {
  /** Unique under its root: the name and a number. */
  readonly id: string;
  readonly name: string;
  readonly root: string;
  readonly manifest: Manifest;
  /** The configuration as JSON. */
  readonly config: Json;
  /** Appends one row, or several at once; safe when the call returns. Columns must not begin with "_". */
  append(kind: string, row: Row | readonly Row[]): void;
  /** All rows of a kind so far, of all writers. */
  rows(kind: string): readonly Row[];
  kinds(): readonly string[];
  /** Rows as they come, old ones first; ends when the run is finished or the signal aborts. */
  follow(kind: string, options?: { signal?: AbortSignal }): AsyncGenerator<Row, void>;
  /** Stores bytes or text under a name; equal content is stored once. */
  artifact(name: string, data: Uint8Array | string, options?: { media?: string }): Artifact;
  artifacts(): readonly Artifact[];
  /** The bytes of the newest artifact of a name. @throws Error when it is absent, missing or damaged. */
  read(name: string): Buffer;
  /**
   * Adds to the ledger, and a notebook cell shows what it spends. Searches, rollouts and trainings do it themselves: for
   * the run that they are given, or for the run that the notebook opened last with a configuration and has not finished.
   */
  spend(cost: Partial<Cost>, purpose?: string): void;
  /** Runs work that takes a meter and books what it spent: `run.metered("rollout", (meter) => rolloutClip(model, { ..., meter }))`. */
  metered<T>(purpose: string, work: (meter: Meter) => Promise<T>): Promise<T>;
  /** Totals of the ledger. */
  cost(): Ledger;
  tag(...tags: string[]): void;
  untag(...tags: string[]): void;
  tags(): readonly string[];
  /** Hides the run from listRuns (or shows it again). */
  archive(isArchived?: boolean): void;
  isArchived(): boolean;
  finish(status?: "finished" | "failed", note?: string): void;
  /** "running" until finish is called; a killed run stays "running", and its last row says until when it lived. */
  status(): "running" | "finished" | "failed";
  /** Torn or damaged lines, by file and offset. */
  problems(): readonly Problem[];
  /** A path inside the run's folder, for files that the store does not manage. */
  path(...segments: string[]): string;
  [key: symbol]: () => Record<string, string>;
}

/**
 * With a configuration (or options): a new run. With a name alone: the newest run of that name, or a new empty one.
 * What the cells of a notebook spend from now on is charged to a run that was opened with a configuration.
 *
 * @example const run = await openRun("rf-mini", { model, forcing: resamplingForcing({ shift: 0.6 }) });
 */
export async function openRun(name: string, config?: object, options: OpenRunOptions = {}): Promise<Run> {
  const root = runsRoot(options.root);
  const slug = slugOf(name);
  if (config === undefined && options.seeds === undefined && options.inputs === undefined) {
    return attach(root, newestRun(root, slug) ?? (await create(root, name, slug, {}, options)));
  }
  const run = attach(root, await create(root, name, slug, config ?? {}, options));
  openLedger(run);
  return run;
}

/** The run with exactly this id. @throws Error when there is none. */
export function attachRun(id: string, options: { root?: string } = {}): Run {
  return attach(runsRoot(options.root), id);
}

function slugOf(name: string): string {
  const slug = basename(name)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[-.]+|-+$/g, "");
  if (slug === "" || slug === "blobs") {
    throw new TypeError(`Cannot open a run named ${JSON.stringify(name)} as a name needs letters or digits.`);
  }
  return slug;
}

const numberOf = (id: string) => Number(id.slice(id.lastIndexOf("-") + 1));

function newestRun(root: string, slug: string): string | undefined {
  const ids = runIds(root);
  if (ids.includes(slug)) return slug;
  return ids
    .filter((id) => id.startsWith(`${slug}-`) && /^\d{4,}$/.test(id.slice(slug.length + 1)))
    .sort((a, b) => numberOf(a) - numberOf(b))
    .at(-1);
}

async function create(
  root: string,
  name: string,
  slug: string,
  config: object,
  options: OpenRunOptions,
): Promise<string> {
  const inputs = await Promise.all((options.inputs ?? []).map(inputFile));
  mkdirSync(root, { recursive: true });
  const newest = newestRun(root, slug);
  let number = newest && newest !== slug ? numberOf(newest) : 0;
  // The folder is the lock: whoever makes it owns the number, however many processes try.
  for (;;) {
    number++;
    const id = `${slug}-${String(number).padStart(4, "0")}`;
    const folder = join(root, id);
    try {
      mkdirSync(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw error;
    }
    mkdirSync(join(folder, "rows"));
    const described = describe(config);
    const manifest: Manifest = {
      format: 1,
      id,
      name,
      created: new Date().toISOString(),
      config: described,
      configHash: sha256(canonicalJson(described)),
      code: codeState(),
      machine: machine(),
      device: tf.engine().backendName ?? null,
      seeds: options.seeds ?? seedsIn(described),
      inputs,
    };
    const temporary = join(folder, `run.json.${process.pid}.tmp`);
    writeFileSync(temporary, `${JSON.stringify(manifest, null, 2)}\n`);
    renameSync(temporary, join(folder, "run.json"));
    return id;
  }
}

async function inputFile(path: string): Promise<InputFile> {
  return { path, sha256: await sha256File(resolve(path)), bytes: statSync(resolve(path)).size };
}

/** Every number under a key "seed" or "seeds", so that seeds are data even where nobody listed them. */
function seedsIn(config: Json): number[] {
  const found = Object.entries(flatten(config))
    .filter(([key]) => /(^|\.)seeds?(\.\d+)?$/.test(key))
    .map(([, value]) => value)
    .filter((value): value is number => typeof value === "number");
  return [...new Set(found)].sort((a, b) => a - b);
}

function attach(root: string, id: string): Run {
  const manifest = readManifest(root, id);
  const folder = join(root, id);
  const files = rowFiles(root, id);
  const writer = `${process.pid}-${randomUUID().slice(0, 8)}`;
  const writers = new Map<string, JsonlWriter>();
  let sequence = 0;
  let lastTime = 0;

  const append = (kind: string, row: Row | readonly Row[]) => {
    checkKind(kind);
    const out = writers.get(kind) ?? jsonlWriter(join(folder, "rows", `${kind}.${writer}.jsonl`));
    writers.set(kind, out);
    lastTime = Math.max(lastTime, Date.now());
    const lines = (Array.isArray(row) ? (row as readonly Row[]) : [row as Row]).map((one) =>
      encodeRow(one, { _t: lastTime, _n: sequence++ }),
    );
    out.write(lines.join(""));
  };
  const showSpending = ledgerLine(id);
  const events = (type: string) => files.rows("@events").filter((event) => event["type"] === type);
  const finished = () => events("finish").at(-1);

  const run: Run = {
    id,
    name: manifest.name,
    root,
    manifest,
    config: manifest.config,
    append,
    rows: (kind) => files.rows(kind),
    kinds: () => files.kinds(),
    follow: (kind, options) => follow(root, id, kind, options),
    artifact(name, data, { media = mediaOf(name) } = {}) {
      const bytes = typeof data === "string" ? Buffer.from(data, "utf8") : data;
      const artifact = { name, media, ...putBlob(root, bytes) };
      append("@artifacts", artifact);
      return artifact;
    },
    artifacts: () => files.rows("@artifacts") as unknown as Artifact[],
    read(name) {
      const artifact = run.artifacts().findLast((one) => one.name === name);
      if (!artifact) {
        const known = [...new Set(run.artifacts().map((one) => `"${one.name}"`))].join(", ") || "none";
        throw new Error(
          `Cannot read the artifact "${name}" as run ${id} has no artifact of that name: it has ${known}.`,
        );
      }
      return getBlob(root, artifact.sha256);
    },
    spend(cost, purpose = "") {
      append("@ledger", { ...cost, purpose });
      showSpending(cost, () => runFacts(run));
    },
    metered: (purpose, work) => booked(work, (cost) => run.spend(cost, purpose)),
    cost: () => totalCost(files.rows("@ledger")),
    tag: (...tags) =>
      append(
        "@events",
        tags.map((tag) => ({ type: "tag", tag })),
      ),
    untag: (...tags) =>
      append(
        "@events",
        tags.map((tag) => ({ type: "untag", tag })),
      ),
    tags() {
      const tags = new Set<string>();
      for (const event of files.rows("@events")) {
        if (event["type"] === "tag") tags.add(String(event["tag"]));
        if (event["type"] === "untag") tags.delete(String(event["tag"]));
      }
      return [...tags];
    },
    archive: (isArchived = true) => append("@events", { type: "archive", archived: isArchived }),
    isArchived: () => events("archive").at(-1)?.["archived"] === true,
    finish(status = "finished", note = "") {
      append("@events", { type: "finish", status, note });
      closeLedger(root, id);
    },
    status: () => (finished()?.["status"] as "finished" | "failed" | undefined) ?? "running",
    problems: () => files.problems(),
    path: (...segments) => join(folder, ...segments),
    [Symbol.for("Jupyter.display")]: () => ({ "text/plain": summary(run) }),
  };
  return Object.freeze(run);
}

function mediaOf(name: string): string {
  const types: Readonly<Record<string, string>> = {
    json: "application/json",
    png: "image/png",
    webp: "image/webp",
    webm: "video/webm",
    svg: "image/svg+xml",
    csv: "text/csv",
    txt: "text/plain",
    safetensors: "application/vnd.safetensors",
  };
  return types[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream";
}

/** What a report says of a run: what it was, and what it cost. */
export interface RunFacts {
  readonly id: string;
  readonly name: string;
  readonly created: string;
  readonly configHash: string;
  readonly config: unknown;
  readonly seeds: readonly number[];
  readonly inputs: readonly { readonly path: string; readonly sha256: string }[];
  readonly ledger: Readonly<Record<string, number>>;
  readonly code: CodeState;
  readonly device: string | null;
}

export function runFacts(run: Run): RunFacts {
  const { created, configHash, seeds, inputs, code, device } = run.manifest;
  return {
    id: run.id,
    name: run.name,
    created,
    configHash,
    config: run.config,
    seeds,
    inputs: inputs.map(({ path, sha256: hash }) => ({ path: basename(path), sha256: hash })),
    ledger: { ...run.cost() },
    code,
    device,
  };
}

function summary(run: Run): string {
  const { manifest } = run;
  const counts = run
    .kinds()
    .filter((kind) => !kind.startsWith("@"))
    .map((kind) => `${run.rows(kind).length} ${kind}`);
  const commit = manifest.code.commit?.slice(0, 8) ?? "no commit";
  const problems = run.problems().length;
  return [
    `run ${run.id} (${run.status()}), ${manifest.created}, ${commit}${manifest.code.isDirty ? " + changes" : ""}`,
    `rows: ${counts.join(", ") || "none"}; artifacts: ${run.artifacts().length}; NFE: ${run.cost().nfe}`,
    ...(problems > 0 ? [`${problems} damaged lines: see problems()`] : []),
  ].join("\n");
}

async function* follow(
  root: string,
  id: string,
  kind: string,
  options: { signal?: AbortSignal } = {},
): AsyncGenerator<Row, void> {
  checkKind(kind);
  const { signal } = options;
  const files = rowFiles(root, id);
  let wake = () => {};
  // The watcher makes it prompt; the timer makes it sure where no watcher works (network file systems).
  let watcher: ReturnType<typeof watch> | undefined;
  try {
    watcher = watch(join(root, id, "rows"), () => wake());
    watcher.on("error", () => {});
  } catch {
    watcher = undefined;
  }
  const onAbort = () => wake();
  signal?.addEventListener("abort", onAbort);
  try {
    while (!signal?.aborted) {
      // Looked at before the rows: a row written before the end was declared is never missed.
      const isOver = files.rows("@events").some((event) => event["type"] === "finish");
      yield* files.fresh(kind);
      if (isOver) return;
      await new Promise<void>((done) => {
        const timer = setTimeout(done, 250);
        wake = () => {
          clearTimeout(timer);
          done();
        };
        if (signal?.aborted) wake();
      });
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    watcher?.close();
  }
}
