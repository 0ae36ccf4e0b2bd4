/**
 * Set-up as a whole process, in a miniature clone: a lockfile with one local package that brings a compiler. What a
 * cut-short install, a deleted package, an old Node, a full disk or a read-only folder does, and what the next run makes of it.
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../src/tensor/package-root.ts";
import { skipOrFail } from "../kernel/skip-or-fail.ts";

const scratch = mkdtempSync(join(tmpdir(), "zoetrope-setup-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A clone whose whole toolchain is a package of four lines. */
function miniature(name: string): string {
  const root = join(scratch, name);
  mkdirSync(join(root, "src", "cli"), { recursive: true });
  mkdirSync(join(root, "kernel"));
  mkdirSync(join(root, "compiler", "bin"), { recursive: true });
  cpSync(join(packageRoot, "src", "cli", "setup.mjs"), join(root, "src", "cli", "setup.mjs"));
  const compiler = { name: "typescript", version: "6.0.3" };
  const own = { name: "miniature", version: "1.0.0", type: "module", bin: { miniature: "dist/made.js" } };
  const dependencies = { typescript: "file:compiler" };
  const write = (path: string, value: unknown) => writeFileSync(join(root, path), JSON.stringify(value));
  write("package.json", { ...own, dependencies });
  write("compiler/package.json", compiler);
  write("tsconfig.json", {});
  write("package-lock.json", {
    ...own,
    lockfileVersion: 3,
    requires: true,
    packages: {
      "": { ...own, dependencies },
      compiler,
      "node_modules/typescript": { resolved: "compiler", link: true },
    },
  });
  writeFileSync(
    join(root, "compiler", "bin", "tsc"),
    'const fs = require("fs"); fs.mkdirSync("dist", { recursive: true }); fs.writeFileSync("dist/made.js", "// built");',
  );
  writeFileSync(join(root, "src", "index.ts"), "export {};\n");
  return root;
}

function setUp(root: string, node: readonly string[] = [], wrap: readonly string[] = []) {
  const { npm_execpath: _, ...env } = process.env;
  const [command, ...args] = [...wrap, process.execPath, ...node, join(root, "src", "cli", "setup.mjs")];
  const { status, stderr } = spawnSync(command!, args, { encoding: "utf8", env });
  return { status, stderr };
}

describe("set-up", () => {
  it("installs and builds once, and is silent the second time", () => {
    const root = miniature("twice");
    const first = setUp(root);
    expect(first).toMatchObject({ status: 0, stderr: expect.stringContaining("installing packages") });
    expect(readFileSync(join(root, "dist", "made.js"), "utf8")).toBe("// built");
    expect(setUp(root)).toEqual({ status: 0, stderr: "" });
  });

  it("builds again when a source changed, and drops what has left the sources", () => {
    const root = miniature("changed");
    setUp(root);
    writeFileSync(join(root, "dist", "left.js"), "");
    writeFileSync(join(root, "src", "index.ts"), "export const x = 1;\n");
    expect(setUp(root).stderr).toBe("zoetrope setup: building TypeScript ...\n");
    expect(existsSync(join(root, "dist", "left.js"))).toBe(false);
  });

  it("leaves commands executable after every build, as npx sees to that only once", () => {
    const root = miniature("commands");
    const isExecutable = () => (statSync(join(root, "dist", "made.js")).mode & 0o111) === 0o111;
    setUp(root);
    expect(isExecutable()).toBe(true);
    writeFileSync(join(root, "src", "index.ts"), "export const x = 2;\n");
    setUp(root);
    expect(isExecutable()).toBe(true);
  });

  it("repeats what was cut short: no stamp, or a package that is gone", () => {
    const root = miniature("half");
    setUp(root);
    rmSync(join(root, "node_modules", ".zoetrope-stamp"));
    rmSync(join(root, "dist", ".zoetrope-stamp"));
    expect(setUp(root).stderr).toMatch(/installing packages[\s\S]*building/);
    rmSync(join(root, "node_modules", "typescript"));
    expect(setUp(root)).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/node_modules\/typescript is missing[\s\S]*installing packages/),
    });
    expect(existsSync(join(root, "node_modules", "typescript", "package.json"))).toBe(true);
  });

  it("refuses an old Node by its number", () => {
    const old =
      'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.1" } })';
    const { status, stderr } = setUp(miniature("old"), ["--import", `data:text/javascript,${old}`]);
    expect(status).toBe(1);
    expect(stderr).toContain(
      "Cannot run on Node 18.20.1 as Zoetrope needs Node >= 20.19. Install a newer Node",
    );
  });

  it("says that the sources do not compile, with the compiler's words", () => {
    const root = miniature("broken");
    writeFileSync(
      join(root, "compiler", "bin", "tsc"),
      'console.log("src/index.ts(1,1): error TS1005: no"); process.exit(2);',
    );
    expect(setUp(root)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/error TS1005: no[\s\S]*do not compile/),
    });
    expect(existsSync(join(root, "dist", ".zoetrope-stamp"))).toBe(false);
  });
});

/** A file system of its own for one process: 512 kB of memory, filled or made read-only, with the clone in it. */
const mounted = (root: string, then: string) => [
  "unshare",
  "-rm",
  "sh",
  "-c",
  `cp -r ${root} ${root}.copy && mount -t tmpfs -o size=512k none ${root} && cp -r ${root}.copy/. ${root} && ${then}; exec "$0" "$@"`,
];
const canMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "none", tmpdir()]).status === 0;

describe("set-up on a bad disk", () => {
  it.for([
    [
      "full",
      (root: string) => `dd if=/dev/zero of=${root}/fill bs=1k 2>/dev/null`,
      "the disk is full. Free space",
    ],
    ["locked", (root: string) => `mount -o remount,ro ${root}`, "the folder is read-only. Make it writable"],
  ] as const)(
    "%s: one sentence with the remedy, and the next run succeeds",
    ([name, spoil, sentence], context) => {
      if (!canMount) skipOrFail(context, "needs Linux with user name spaces (unshare -rm)");
      const root = miniature(name);
      const { status, stderr } = setUp(root, [], mounted(root, spoil(root)));
      expect(status).toBe(1);
      expect(stderr).toMatch(/Cannot (install the packages|set up) in /);
      expect(stderr).toContain(sentence);
      expect(setUp(root).status).toBe(0);
    },
  );
});
