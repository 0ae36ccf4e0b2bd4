/** The shape of the code base as data: who may import whom, how long a file may be, what may not occur. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Folder under src/ -> the folders that it may import besides itself. `plot` imports nothing at run time. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  tensor: [],
  diffusion: ["tensor"],
  video: ["tensor"],
  model: ["diffusion", "tensor", "video"],
  train: ["model", "diffusion", "tensor", "video", "sample"],
  sample: ["model", "diffusion", "tensor", "video"],
  metrics: ["video", "tensor"],
  verify: ["metrics", "video", "tensor"],
  search: ["sample", "model", "diffusion", "tensor", "video", "verify"],
  plot: [],
  lab: ["tensor", "diffusion", "video", "model", "train", "sample", "metrics", "verify", "search", "plot"],
  cli: [
    "tensor",
    "diffusion",
    "video",
    "model",
    "train",
    "sample",
    "metrics",
    "verify",
    "search",
    "plot",
    "lab",
  ],
};

/**
 * Entry points that put the layers together (benchmarks, experiments, recipes) stand above the stack: they may import
 * any folder of src, and nothing but an entry point imports them.
 */
const ENTRY = /\/(bench|experiments|recipes)\//;

/** Files over 400 lines say why in their header; nothing is over 600. */
const LONGEST = 600;
const LONG = 400;

const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && existsSync(join(root, path)));
const code = tracked.filter((path) => /^(src|kernel)\/.*\.(ts|mjs)$/.test(path));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function importsOf(path: string): Import[] {
  const found: Import[] = [];
  const pattern =
    /(?:^|\n)\s*(import|export)\s+(type\s)?([^"';]*?\sfrom\s+)?"(\.[^"]+)"|import\("(\.[^"]+)"\)/g;
  for (const match of read(path).matchAll(pattern)) {
    const specifier = match[4] ?? match[5]!;
    const to = normalize(join(dirname(path), specifier));
    const names = match[3] ?? "";
    const allInlineTypes = /\{[^}]*\}/.test(names) && /^\{(\s*type\s[^,}]+,?)+\s*\}/.test(names.trim());
    found.push({ from: path, to, typeOnly: match[2] !== undefined || allInlineTypes });
  }
  return found;
}

const imports = code.flatMap(importsOf);
const folderOf = (path: string): string => path.split("/")[1]!;

describe("architecture", () => {
  it("imports point downward only", () => {
    const wrong = imports.filter(({ from, to, typeOnly }) => {
      if (!from.startsWith("src/") || from === "src/index.ts") return false;
      if (!to.startsWith("src/")) return true;
      if (ENTRY.test(from)) return false;
      if (ENTRY.test(to) && folderOf(from) !== "cli") return true;
      const source = folderOf(from);
      const target = folderOf(to);
      if (source === target) return false;
      if (source === "plot" && typeOnly) return false;
      return !(MAY_IMPORT[source] ?? []).includes(target);
    });
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  it("kernel and src never import each other, and nothing inside src imports its index", () => {
    const wrong = imports.filter(
      ({ from, to }) => from.split("/")[0] !== to.split("/")[0] || /^src\/index\.(ts|js)$/.test(to),
    );
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  it("the protocol and cell layers of the kernel do no input or output over sockets", () => {
    const pure = code.filter((path) => /^kernel\/(protocol|cell|nbformat)\//.test(path));
    expect(pure.filter((path) => /from "zeromq"/.test(read(path)))).toEqual([]);
  });

  it("every import of a relative path exists", () => {
    const missing = imports.filter(({ to }) => !existsSync(join(root, to)));
    expect(missing.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  it("files stay readable", () => {
    const lines = new Map(code.map((path) => [path, read(path).split("\n").length]));
    expect([...lines].filter(([, n]) => n > LONGEST)).toEqual([]);
    const unexplained = [...lines].filter(
      ([path, n]) => n > LONG && !/why this file is long/i.test(read(path).slice(0, 2500)),
    );
    expect(unexplained).toEqual([]);
  });

  it("folders name the field, not the software role", () => {
    const banned = /(^|\/)(utils?|helpers?|core|common|managers?|misc)(\/|\.ts$)/;
    expect(tracked.filter((path) => /^(src|kernel|test)\//.test(path) && banned.test(path))).toEqual([]);
  });

  it("randomness is the counter-based generator's", () => {
    expect(code.filter((path) => /Math\s*\.\s*random/.test(read(path)))).toEqual([]);
  });

  it("tfjs comes through one door", () => {
    const direct = code.filter(
      (path) =>
        /^src\//.test(path) &&
        path !== "src/tensor/creation.ts" &&
        /from "@tensorflow\/tfjs"/.test(read(path)),
    );
    expect(direct).toEqual([]);
  });

  it("holds no path of a machine and no leftover", () => {
    const text = tracked.filter(
      (path) => /\.(ts|mjs|md|json|ipynb|py|h|cc)$/.test(path) && path !== "package-lock.json",
    );
    const machine = new RegExp(`(?<![\\w.$])/(${["home", "Users", "root", "work", "mnt"].join("|")})/\\w`);
    expect(text.filter((path) => machine.test(read(path)))).toEqual([]);
    const leftover = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b`);
    expect(code.filter((path) => leftover.test(read(path)))).toEqual([]);
  });
});
