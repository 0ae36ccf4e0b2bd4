/** One service for the file: starting it takes a second. Folders are real, as `paths` and packages are read from disk. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { complete } from "../../../kernel/cell/complete.ts";
import { inspect } from "../../../kernel/cell/inspect.ts";
import { type TypeService, typeService } from "../../../kernel/cell/type-service.ts";
import { packageRoot } from "../../../kernel/package-root.ts";

let folder = "";
let types: TypeService;
const run = (code: string): string[] => {
  const found = types.check(code).map(({ line, column, code: number }) => `${line}:${column} TS${number}`);
  types.commit(code);
  return found;
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "zoetrope-types-"));
  types = typeService(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("types across cells", () => {
  it("flow from cell to cell, and errors name the cell's own line and column", () => {
    expect(run("const count: number = 1;\nlet label = 'a';")).toEqual([]);
    expect(run("count.toFixed(2); label = 'b';")).toEqual([]);
    expect(run("1;\n  label = count;")).toEqual(["2:3 TS2322"]);
    expect(run("count = 2")).toEqual(["1:1 TS2588"]);
  });
  it("follow a redeclaration in another form", () => {
    expect(run("enum Kind { A }; class Thing<T> { constructor(readonly value: T) {} }")).toEqual([]);
    expect(run("const made = new Thing(Kind.A); made.value satisfies Kind;")).toEqual([]);
    expect(run("type Thing = { a: 1 }; const Kind = 'text';")).toEqual([]);
    expect(run("const t: Thing = { a: 2 }; Kind.length;")).toEqual(["1:20 TS2322"]);
  });
  it("know top-level await, generics, destructuring, functions and node's modules", () => {
    expect(run("const [p, { q }] = [1, { q: await Promise.resolve('s') }] as const;")).toEqual([]);
    expect(
      run("function twice<T>(x: T): [T, T] { return [x, x]; }\nimport { join } from 'node:path';"),
    ).toEqual([]);
    expect(run("twice(q)[1].toUpperCase() + join('a', q)")).toEqual([]);
    expect(run("twice(p)[1].toUpperCase()")).toEqual(["1:13 TS2339"]);
  });
  it("do not tell a cell off for syntax that works in a cell", () => {
    expect(run("export const kept = 1; export default kept;")).toEqual([]);
    expect(run("for await (const x of [1]) x; import.meta.url; kept;")).toEqual([]);
    expect(run("using r = { [Symbol.dispose]() {} };")).toEqual([]);
    expect(run("display(1, { id: 'a' }).update(2); kernel.signal.aborted; table([{ a: 1 }]);")).toEqual([]);
    expect(run("import * as tslab from 'tslab'; tslab.newDisplay().html('x');")).toEqual([]);
  });
  it("name the import that is missing: of modules in use, and of this package", () => {
    const messages = (code: string) => types.check(code).map(({ message }) => message);
    expect(messages("randn([2]); const t: Tensor = { rng };")).toEqual([
      `Cannot find name 'randn'. Import it first: import { randn } from "zoetrope";`,
      `Cannot find name 'Tensor'. Import it first: import { type Tensor } from "zoetrope";`,
      `No value exists in scope for the shorthand property 'rng'. Either declare one or provide an initializer. Import it first: import { rng } from "zoetrope";`,
    ]);
    writeFileSync(join(folder, "mine.ts"), "export const rng = 1;");
    expect(run("import './mine.ts'; import { sep } from 'node:path'; sep;")).toEqual([]);
    expect(messages("basename('a'); rng")).toEqual([
      `Cannot find name 'basename'. Import it first: import { basename } from "node:path";`,
      `Cannot find name 'rng'. Import it first: import { rng } from "./mine.ts";`,
    ]);
    writeFileSync(join(folder, "mine.ts"), "export const other = 1;");
    expect(messages("other; rng; nowhere")).toEqual([
      `Cannot find name 'other'. Import it first: import { other } from "./mine.ts";`,
      `Cannot find name 'rng'. Import it first: import { rng } from "zoetrope";`,
      "Cannot find name 'nowhere'.",
    ]);
    expect(run("nowhere")).toEqual(["1:1 TS2304"]);
  });
  it("find packages of the kernel where the folder has none", () => {
    expect(
      run(
        "import type { TopLevelSpec } from 'vega-lite'; const spec: TopLevelSpec = { mark: 'bar', data: { values: [] } };",
      ),
    ).toEqual([]);
    expect(run("import { no } from 'no-such-package'")).toEqual(["1:20 TS2307"]);
  });
  it("see local modules, and their edits", () => {
    expect(run("import { area } from './shape'")).toEqual(["1:22 TS2307"]);
    writeFileSync(join(folder, "shape.ts"), "export const area = (r: number): number => r * r;");
    expect(run("import { area } from './shape'; area(2).toFixed()")).toEqual([]);
    writeFileSync(join(folder, "shape.ts"), "export const area = (r: number): string => String(r * r);");
    expect(run("import { area } from './shape.ts'; area(2).toFixed()")).toEqual(["1:44 TS2551"]);
  });
});

describe("completion and inspection", () => {
  beforeAll(() => {
    run(
      "/** Mean of the numbers. */\nfunction mean(values: number[]): number { return 0; }\nconst résumé = [1, 2, 3];",
    );
  });
  const texts = (code: string, offset = code.length): string[] =>
    complete(types, code, offset).entries.map(({ text }) => text);
  it("complete members and earlier names", () => {
    expect(texts("résumé.ma")).toContain("map");
    expect(texts("mea")).toContain("mean");
    expect(complete(types, "x = mea", 7)).toMatchObject({ start: 4, end: 7 });
    expect(texts("résumé.MAP")).toContain("map");
    expect(texts("nosuchprefix")).toEqual([]);
  });
  it("complete paths of imports", () => {
    expect(texts("import { join } from 'node:pa")).toContain("node:path");
  });
  it("inspect with documentation, in and behind a name, and in a call", () => {
    for (const offset of [1, 4]) {
      const found = inspect(types, "mean([1])", offset, 0);
      expect(found?.["text/plain"]).toMatch(
        /^mean\(values: number\[\]\): number[\s\S]*Mean of the numbers\./,
      );
      expect(found?.["text/markdown"]).toContain("```typescript");
    }
    expect(inspect(types, "mean(", 5, 0)?.["text/plain"]).toContain("values: number[]");
    expect(inspect(types, "mean", 4, 1)?.["text/plain"]).toContain("return 0;");
    expect(inspect(types, "  ", 1, 0)).toBeNull();
  });
  it("forget everything on reset", () => {
    types.reset();
    expect(run("mean([1])")).toEqual(["1:1 TS2304"]);
  });
});

describe("a project's tsconfig", () => {
  it("gives strictness and paths", () => {
    const project = mkdtempSync(join(tmpdir(), "zoetrope-project-"));
    mkdirSync(join(project, "lib"));
    mkdirSync(join(project, "notebooks"));
    writeFileSync(join(project, "lib/tool.ts"), "export const tool = (x: string): string => x;");
    const options = {
      strict: true,
      outDir: "dist",
      rootDir: ".",
      noUnusedLocals: true,
      lib: ["ES2023", "DOM"],
      paths: { "@lib/*": ["./lib/*"] },
    };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: options }));
    // As pnpm does it: the types of Node lie behind a link, and must not be read twice.
    symlinkSync(join(packageRoot, "node_modules"), join(project, "node_modules"));
    const strict = typeService(join(project, "notebooks"));
    const codes = (code: string): number[] => strict.check(code).map(({ code: number }) => number);
    expect(codes("import { tool } from '@lib/tool'; tool('a');")).toEqual([]);
    expect(codes("import { tool } from '@lib/tool'; tool(1);")).toEqual([2345]);
    expect(codes("const f = (x) => x;")).toEqual([7006]);
    // A cell runs in Node: names of a browser are mistakes.
    expect(codes("document.body")).toEqual([2584]);
    const read = strict.open("1").service.getProgram()!.getSourceFiles();
    expect(read.filter(({ fileName }) => fileName.endsWith("@types/node/process.d.ts"))).toHaveLength(1);
    rmSync(project, { recursive: true });
  });
});
