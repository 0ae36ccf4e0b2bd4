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

function git(...args: string[]): string | undefined {
  try {
    return execFileSync("git", args, {
      cwd: packageRoot,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 256 * 1024 * 1024,
    });
  } catch {
    return undefined;
  }
}

/** Reads git once per call (some 20 ms). */
export function codeState(): CodeState {
  const commit = git("rev-parse", "HEAD")?.trim() || null;
  const status = commit === null ? undefined : git("status", "--porcelain");
  const isDirty = status === undefined ? null : status.trim() !== "";
  const diff = isDirty ? git("diff", "HEAD") : undefined;
  const lockfile = join(packageRoot, "package-lock.json");
  const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
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
