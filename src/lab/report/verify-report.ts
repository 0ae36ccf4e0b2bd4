/**
 * Re-runs a report from what it carries and the code at its commit, in a clean kernel, and grades every figure and
 * claim. First it looks at the file itself: was it edited by hand, was it moved. Executing a report executes its
 * author's code: the hash inside is against accidents and quiet edits, it is not a signature.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { givenText } from "../../tensor/given-file.ts";
import { codeState } from "../provenance.ts";
import { runNode, type Workplace, workplaceFor } from "./checkout.ts";
import {
  defaultTolerance,
  type Grade,
  type GradeName,
  gradeClaim,
  gradeFigure,
  gradeNames,
} from "./grade.ts";
import { notebookReport } from "./notebook-report.ts";
import { readPage } from "./page.ts";
import { hashOf, type Payload } from "./payload.ts";

export interface VerifyOptions {
  /** Re-run the embedded notebook; without it only the file is checked. Default true. */
  readonly execute?: boolean;
  /** Seconds per cell; 0 for no limit. */
  readonly timeout?: number;
  readonly tolerance?: number;
  /** Grade against the present tree where it is not the code that the report was made with. Default false. */
  readonly runsHere?: boolean;
  /** The checkout that holds the report's commit; default: this package's. */
  readonly repository?: string;
  readonly signal?: AbortSignal;
  /** Lines of the kernel's progress as they come. */
  readonly onProgress?: (line: string) => void;
}

export interface GradedItem extends Grade {
  readonly kind: "figure" | "claim";
  readonly title: string;
}

export interface Verification {
  readonly file: string;
  readonly title: string;
  /** False where the file differs from what was written, undefined where it carries no hash. */
  readonly isIntact: boolean | undefined;
  /** What to know before trusting the grades: edits, moves, other code, failures of the re-run. */
  readonly notes: readonly string[];
  readonly items: readonly GradedItem[];
  /** The worst grade; "not re-runnable" where nothing could be graded. */
  readonly overall: GradeName;
  text(): string;
  [key: symbol]: () => Record<string, string>;
}

/** @throws Error when the file is not a report. */
export async function verifyReport(path: string, options: VerifyOptions = {}): Promise<Verification> {
  const { execute = true, tolerance = defaultTolerance } = options;
  const { payload, isIntact } = readPage(givenText(path, "verify a report"));
  if (payload === undefined) {
    throw new Error(
      `Cannot verify ${basename(path)} as it carries no report data: it is not a Zoetrope report, or its data block was damaged.`,
    );
  }
  const notes = notesOnFile(payload, isIntact, path, options.repository);
  const rerun = execute ? await rerunReport(payload, options) : "it was not executed";
  const fresh = typeof rerun === "string" ? undefined : rerun.payload;
  if (typeof rerun !== "string") notes.push(...rerun.notes);
  const why = typeof rerun === "string" ? rerun : "";
  const items: GradedItem[] = [
    ...payload.figures.map((figure, i) => {
      const edited = hashOf(figure.spec) === figure.hash ? "" : " Its data in the file were edited.";
      const grade: Grade = fresh
        ? gradeFigure(figure, partner(payload.figures, fresh.figures, i), tolerance)
        : { grade: "not re-runnable", why: sentence(why) };
      return {
        kind: "figure" as const,
        title: `Figure ${i + 1}: ${figure.title}`,
        grade: grade.grade,
        why: grade.why + edited,
      };
    }),
    ...payload.claims.map((claim) => {
      const again = fresh?.claims.filter((one) => one.statement === claim.statement).at(-1);
      const grade: Grade = fresh
        ? gradeClaim(claim, again, tolerance)
        : { grade: "not re-runnable", why: sentence(why) };
      return { kind: "claim" as const, title: claim.statement, ...grade };
    }),
  ];
  const worst = Math.max(...items.map((item) => gradeNames.indexOf(item.grade)));
  const made = {
    file: basename(path),
    title: payload.title,
    isIntact,
    notes,
    items,
    overall: items.length === 0 ? ("not re-runnable" as const) : gradeNames[worst]!,
  };
  const text = () => verificationText(made);
  return Object.freeze({ ...made, text, [Symbol.for("Jupyter.display")]: () => ({ "text/plain": text() }) });
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** The figure of the same title: the k-th of that title matches the k-th. */
function partner(before: Payload["figures"], after: Payload["figures"], index: number) {
  const title = before[index]!.title;
  const place = before.slice(0, index).filter((figure) => figure.title === title).length;
  return after.filter((figure) => figure.title === title)[place];
}

function notesOnFile(
  payload: Payload,
  isIntact: boolean | undefined,
  path: string,
  repository: string | undefined,
): string[] {
  const notes: string[] = [];
  if (isIntact === false) notes.push("The file was edited after it was written.");
  if (isIntact === undefined) notes.push("The file carries no hash of itself, so edits cannot be seen.");
  if (payload.fileName !== basename(path))
    notes.push(`The file was written as ${payload.fileName} and moved or renamed since.`);
  const now = codeState(repository);
  const { code } = payload;
  const changed = (one: typeof code) => (one.isDirty ? " with uncommitted changes" : "");
  const name = (one: typeof code) => `${one.commit?.slice(0, 10) ?? "no commit"}${changed(one)}`;
  if (code.commit !== now.commit || code.diffHash !== now.diffHash) {
    const isOther = code.commit === now.commit && code.isDirty === now.isDirty;
    notes.push(`It was made at ${name(code)}; this tree is at ${isOther ? "others" : name(now)}.`);
  }
  if (payload.machine.node !== process.version)
    notes.push(`It was made on Node ${payload.machine.node}; this is ${process.version}.`);
  return notes;
}

interface Rerun {
  readonly payload: Payload;
  readonly notes: readonly string[];
}

/** The report made again, or the reason why it could not be. */
async function rerunReport(payload: Payload, options: VerifyOptions): Promise<Rerun | string> {
  if (payload.source === null) return "the report carries no notebook";
  const place = await workplaceFor(payload.code, options);
  if (typeof place === "string") return place;
  const folder = mkdtempSync(join(tmpdir(), "zoetrope-verify-"));
  try {
    return await rerunAt(place, folder, payload, payload.source, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    place.dispose();
  }
}

async function rerunAt(
  place: Workplace,
  folder: string,
  payload: Payload,
  source: NonNullable<Payload["source"]>,
  options: VerifyOptions,
): Promise<Rerun | string> {
  const { signal, onProgress, timeout = 0 } = options;
  const kernel = join(place.root, "dist", "kernel", "cli", "main.js");
  if (!existsSync(kernel)) return "the kernel is not built (run npm run build)";
  const notebook = join(folder, source.fileName.replace(/[^\w.-]/g, "_"));
  const executed = join(folder, "executed.ipynb");
  const reports = join(folder, "reports");
  mkdirSync(reports);
  writeFileSync(notebook, JSON.stringify(source.notebook));
  const notebooks = join(place.root, "notebooks");
  const cwd = existsSync(notebooks) ? notebooks : place.root;
  const status = await runNode(
    [
      ...[kernel, "run", notebook, "--output", executed, "--cwd", cwd],
      ...["--timeout", String(timeout), "--continue-after-errors"],
    ],
    {
      env: { ZOETROPE_RUNS: join(folder, "runs"), ZOETROPE_REPORTS: reports },
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onLine: onProgress } : {}),
    },
  );
  signal?.throwIfAborted();
  if (!existsSync(executed))
    return `the kernel left no notebook (${status.last || `exit status ${status.code}`})`;
  const failed = failedCells(executed);
  if (status.code !== 0 && failed.length === 0) {
    failed.push(`The re-run did not finish cleanly: ${status.last || `exit status ${status.code}`}.`);
  }
  const fresh = await freshPage(payload, executed, reports);
  return typeof fresh === "string"
    ? `${fresh}${failed.length > 0 ? ` (${failed[0]})` : ""}`
    : { payload: fresh, notes: [...place.notes, ...failed] };
}

/** Cells that ended with an error, by number. */
function failedCells(path: string): string[] {
  const { cells = [] } = JSON.parse(readFileSync(path, "utf8")) as {
    cells?: { outputs?: { output_type?: string; ename?: string; evalue?: string }[] }[];
  };
  return cells.flatMap((cell, i) =>
    (cell.outputs ?? [])
      .filter((output) => output.output_type === "error")
      .map(
        ({ ename, evalue }) =>
          `Cell ${i + 1} failed in the re-run: ${ename}: ${String(evalue).split("\n")[0]}.`,
      ),
  );
}

/** A notebook's report is made from its outputs; a template's was written by the notebook itself, under its own name. */
async function freshPage(payload: Payload, executed: string, reports: string): Promise<Payload | string> {
  if (payload.madeBy === "notebook") {
    const page = notebookReport(executed, { title: payload.title, isInteractive: false });
    return readPage(await page.html(payload.fileName)).payload ?? "the re-run's report could not be read";
  }
  const written = readdirSync(reports).filter((name) => name.endsWith(".html"));
  const same =
    written.find((name) => name === payload.fileName) ?? (written.length === 1 ? written[0] : undefined);
  if (same === undefined) {
    return `the notebook wrote no report named ${payload.fileName} (it wrote ${written.join(", ") || "none"})`;
  }
  return (
    readPage(readFileSync(join(reports, same), "utf8")).payload ?? "the re-run's report could not be read"
  );
}

function verificationText(
  made: Pick<Verification, "file" | "title" | "isIntact" | "notes" | "items" | "overall">,
): string {
  const width = Math.max(...gradeNames.map((name) => name.length));
  return [
    `${made.file}: ${made.title}`,
    made.isIntact === true ? "  The file is as it was written." : "",
    ...made.notes.map((note) => `  ! ${note}`),
    "",
    ...made.items.map(
      (item) =>
        `  ${item.grade.padEnd(width)}  ${item.kind}  ${item.title}\n  ${" ".repeat(width)}  ${item.why}`,
    ),
    "",
    `  overall: ${made.overall}`,
  ]
    .filter((line, i, lines) => line !== "" || lines[i - 1] !== "")
    .join("\n");
}
