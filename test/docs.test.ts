/** The README and the folder pages tell the truth: tree, links, snippets, citations. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && existsSync(join(root, path)));

/** Code blocks of a language, in order. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    (match) => match[1]!,
  );
}

/** The prose of a page: brackets and parentheses of code are no links. */
function withoutCode(text: string): string {
  return text.replace(/^[ \t]*```[\s\S]*?^[ \t]*```$/gm, "").replace(/`[^`\n]*`/g, "");
}

/** Paths named by the annotated tree: two spaces of indentation a level, `name   comment` on each line. */
function treePaths(block: string): string[] {
  const stack: string[] = [];
  const paths: string[] = [];
  for (const line of block.split("\n").filter((text) => text.trim() !== "")) {
    const depth = Math.floor((line.length - line.trimStart().length) / 2);
    const name = line.trim().split(/\s{2,}/)[0]!;
    for (const part of name.split(" "))
      paths.push([...stack.slice(0, depth), part].join("/").replaceAll("//", "/"));
    stack.length = depth;
    stack.push(name.replace(/\/$/, ""));
  }
  return paths.map((path) => path.replace(/\/$/, ""));
}

describe("README", () => {
  const tree = treePaths(blocks(readme, "text").find((block) => block.includes("kernel/"))!);

  it("draws the tree that exists", () => {
    expect(tree.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("leaves no folder of kernel/ and src/ out of the tree", () => {
    const folders = new Set(
      tracked
        .filter((path) => /^(kernel|src)\/[^/]+\//.test(path))
        .map((path) => path.split("/").slice(0, 2).join("/")),
    );
    expect([...folders].filter((folder) => !tree.includes(folder))).toEqual([]);
  });

  it("names commands that package.json has", () => {
    const scripts = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts;
    const named = [
      ...readme.matchAll(/\bnpm (?:run )?(start|test|lab|bench|build|check|lint|format)\b/g),
    ].map((match) => match[1]!);
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it("shows TypeScript that compiles against the public API", () => {
    const folder = mkdtempSync(join(tmpdir(), "zoetrope-docs-"));
    try {
      const files = blocks(readme, "ts").map((code, index) => {
        const path = join(folder, `snippet-${index}.ts`);
        writeFileSync(path, `${code}\nexport {};\ndeclare function display(value: unknown): void;\n`);
        return path;
      });
      expect(files.length).toBeGreaterThan(2);
      const config = {
        extends: join(root, "tsconfig.json"),
        compilerOptions: {
          noEmit: true,
          incremental: false,
          tsBuildInfoFile: null,
          rootDir: "/",
          module: "ESNext",
          moduleResolution: "bundler",
          rewriteRelativeImportExtensions: false,
          typeRoots: [join(root, "node_modules/@types")],
          paths: { zoetrope: [join(root, "src/index.ts")] },
        },
        include: [],
        files,
      };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
      const tsc = join(root, "node_modules/typescript-7/bin/tsc");
      let output = "";
      try {
        execFileSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
      } catch (error) {
        output = (error as { stdout: string }).stdout;
      }
      expect(output).toBe("");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("documents", () => {
  const pages = tracked.filter((path) => path.endsWith(".md"));

  it("link only to files that exist", () => {
    const broken = pages.flatMap((page) =>
      [
        ...withoutCode(readFileSync(join(root, page), "utf8")).matchAll(
          /\]\((?!https?:|#|mailto:)([^)\s#]+)/g,
        ),
      ]
        .map((match) => match[1]!)
        .filter((target) => !existsSync(join(root, dirname(page), target)))
        .map((target) => `${page} -> ${target}`),
    );
    expect(broken).toEqual([]);
  });

  it("cite every paper that the sources name", () => {
    const ids = new Set(
      tracked
        .filter((path) => /^src\/.*\.ts$/.test(path))
        .flatMap((path) => readFileSync(join(root, path), "utf8").match(/\b2[0-9]{3}\.[0-9]{5}\b/g) ?? []),
    );
    expect([...ids].filter((id) => !readme.includes(id))).toEqual([]);
  });
});
