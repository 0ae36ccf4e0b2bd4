/**
 * The code that a report was made with, ready to run: this tree where it is the same, else a temporary git worktree at
 * the report's commit, built there and removed afterwards. Where that code cannot be had, the reason in words: another
 * tree is never run in its place unasked.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../tensor/package-root.ts";
import { sha256 } from "../hash.ts";
import { type CodeState, codeState } from "../provenance.ts";

export interface Workplace {
  /** Root of a tree that is built. */
  readonly root: string;
  /** How it differs from what the report was made with. */
  readonly notes: readonly string[];
  /** Removes what was made for it. */
  dispose(): void;
}

export interface WorkplaceOptions {
  /** Run in the present tree, whatever the report was made with. Default false. */
  readonly runsHere?: boolean;
  /** The checkout that holds the commit; default: this package's. */
  readonly repository?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (line: string) => void;
}

const short = (commit: string) => commit.slice(0, 10);

/** Where to re-run what was made with `code`; a text says why it cannot be re-run. */
export async function workplaceFor(
  code: CodeState,
  options: WorkplaceOptions = {},
): Promise<Workplace | string> {
  const { runsHere = false, repository = packageRoot } = options;
  const now = codeState(repository);
  const isSame = code.commit !== null && code.commit === now.commit && code.diffHash === now.diffHash;
  if (runsHere || isSame) {
    const notes = isSame
      ? []
      : ["Re-run in the present tree (--here), which is not the code it was made with."];
    return { root: repository, notes, dispose: () => {} };
  }
  const instead = "or grade it against the present tree with --here";
  if (code.commit === null)
    return `it was not made in a git checkout, so its code is unknown; find that code, ${instead}`;
  if (now.commit === null)
    return `this is not a git checkout, so commit ${short(code.commit)} cannot be had; verify in a clone, ${instead}`;
  if (code.diffHash !== null) {
    return `it was made from uncommitted changes to commit ${short(code.commit)}, which are not here; bring them back, ${instead}`;
  }
  if (git(repository, ["cat-file", "-e", `${code.commit}^{commit}`]).status !== 0) {
    return `commit ${short(code.commit)} is not in this repository; fetch it (git fetch origin ${code.commit}), ${instead}`;
  }
  return checkOut(code.commit, repository, options);
}

async function checkOut(
  commit: string,
  repository: string,
  options: WorkplaceOptions,
): Promise<Workplace | string> {
  const { onProgress, signal } = options;
  const folder = mkdtempSync(join(tmpdir(), "zoetrope-checkout-"));
  const root = join(folder, "tree");
  const dispose = () => {
    git(repository, ["worktree", "remove", "--force", root]);
    rmSync(folder, { recursive: true, force: true });
    git(repository, ["worktree", "prune"]);
  };
  try {
    onProgress?.(`checking out commit ${short(commit)}`);
    const added = git(repository, ["worktree", "add", "--detach", "--force", root, commit]);
    if (added.status !== 0)
      throw new Error(`commit ${short(commit)} could not be checked out: ${lastLine(added.stderr)}`);
    const notes = [sharePackages(repository, root, onProgress)].filter((note) => note !== "");
    const setup = join(root, "src", "cli", "setup.mjs");
    if (!existsSync(setup))
      throw new Error(`commit ${short(commit)} has no src/cli/setup.mjs to build it with`);
    onProgress?.("building it");
    const built = await runNode([setup], {
      cwd: root,
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onLine: onProgress } : {}),
    });
    signal?.throwIfAborted();
    if (built.code !== 0)
      throw new Error(
        `commit ${short(commit)} could not be built: ${built.last || `exit status ${built.code}`}`,
      );
    return {
      root,
      notes: [`Re-run at its commit, ${short(commit)}, in a tree of its own.`, ...notes],
      dispose,
    };
  } catch (error) {
    dispose();
    if (signal?.aborted) throw error;
    return (error as Error).message;
  }
}

/**
 * Equal lock files mean equal packages: they are linked, entry by entry, so that nothing that empties the copy's folder
 * can reach the original. The compiled addon is copied; its own stamp decides whether it fits the sources.
 */
function sharePackages(repository: string, root: string, onProgress?: (line: string) => void): string {
  const addon = join(repository, "build", "native");
  if (existsSync(addon)) cpSync(addon, join(root, "build", "native"), { recursive: true });
  const lockOf = (folder: string) => {
    const path = join(folder, "package-lock.json");
    return existsSync(path) ? sha256(readFileSync(path)) : "none";
  };
  const packages = join(repository, "node_modules");
  if (lockOf(repository) === lockOf(root) && existsSync(packages)) {
    mkdirSync(join(root, "node_modules"), { recursive: true });
    for (const entry of readdirSync(packages))
      symlinkSync(join(packages, entry), join(root, "node_modules", entry));
    return "";
  }
  onProgress?.("its lock file differs: installing its own packages");
  return "Its packages were installed anew, as its lock file differs from the present one.";
}

function git(repository: string, args: readonly string[]) {
  return spawnSync("git", ["-C", repository, ...args], { encoding: "utf8" });
}

const lastLine = (text: string) => text.trim().split("\n").at(-1) ?? "";

export interface NodeProcess {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Lines of both streams as they come. */
  readonly onLine?: (line: string) => void;
}

/** Runs a Node program; resolves to its exit status and the last line it said. */
export function runNode(
  args: readonly string[],
  options: NodeProcess = {},
): Promise<{ code: number | null; last: string }> {
  const { cwd, env = {}, signal, onLine } = options;
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      ...(cwd === undefined ? {} : { cwd }),
      ...(signal ? { signal } : {}),
    });
    let last = "";
    const onText = (data: Buffer) => {
      for (const line of data
        .toString("utf8")
        .split("\n")
        .map((one) => one.trim())) {
        if (line === "") continue;
        last = line.slice(0, 300);
        onLine?.(line);
      }
    };
    child.stdout.on("data", onText);
    child.stderr.on("data", onText);
    child.on("error", (error) => (signal?.aborted ? done({ code: null, last: "aborted" }) : fail(error)));
    child.on("close", (code) => done({ code, last }));
  });
}
