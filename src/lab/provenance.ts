/**
 * Where a result comes from: code (commit, hash of what is not committed, hash of the lock file), machine, and the
 * device that tensors ran on. Missing pieces (no git, no lock file) are said as null, never guessed.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { cpus, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../tensor/package-root.ts";
import { sha256 } from "./hash.ts";

export interface CodeState {
  /** Full commit hash; null outside a git checkout. */
  readonly commit: string | null;
  readonly isDirty: boolean | null;
  /** SHA-256 of `git diff HEAD` and of the names of untracked files; null where clean. */
  readonly diffHash: string | null;
  /** SHA-256 of package-lock.json. */
  readonly lockfileHash: string | null;
  readonly version: string;
}

export interface Machine {
  readonly node: string;
  readonly os: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
}

function git(cwd: string, ...args: string[]): string | undefined {
  try {
    return execFileSync("git", args, {
      cwd,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 256 * 1024 * 1024,
    });
  } catch {
    return undefined;
  }
}

/** Of this package, or of another checkout of it. Reads git once per call (some 20 ms). */
export function codeState(root: string = packageRoot): CodeState {
  const commit = git(root, "rev-parse", "HEAD")?.trim() || null;
  const status = commit === null ? undefined : git(root, "status", "--porcelain");
  const isDirty = status === undefined ? null : status.trim() !== "";
  const diff = isDirty ? git(root, "diff", "HEAD") : undefined;
  const lockfile = join(root, "package-lock.json");
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  return {
    commit,
    isDirty,
    diffHash: diff === undefined ? null : sha256(`${diff}\n${status}`),
    lockfileHash: existsSync(lockfile) ? sha256(readFileSync(lockfile)) : null,
    version: manifest.version,
  };
}

export function machine(): Machine {
  const all = cpus();
  return {
    node: process.version,
    os: `${platform()} ${release()}`,
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryBytes: totalmem(),
  };
}
