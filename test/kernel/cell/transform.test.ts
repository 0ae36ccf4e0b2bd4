/** Cells as text in, text out. What the scripts do is tested against a running kernel, in `test/kernel/child`. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyEdits, originalColumn } from "../../../kernel/cell/edits.ts";
import { transform } from "../../../kernel/cell/transform.ts";

function script(code: string): string {
  const transformed = transform(code);
  if (!transformed.ok) throw new Error(transformed.message);
  return transformed.script.replace(/\n;undefined$/, "");
}

describe("transform", () => {
  it.each([
    ["the last value", "1 + 1", "__k.out = (1 + 1)"],
    ["types", "const x: number = 1; x", "let   x         = 1; __k.out = (x)"],
    ["type declarations", "interface A { a: 1 }\ntype B = A;", "                    \n           "],
    ["named imports", 'import { a as b, type C } from "m"', 'let { "a": b } = (await __k.import("m"));'],
    ["namespace imports", 'import * as n from "m";', 'let n = (await __k.import("m"));'],
    ["default imports", 'import d from "m";', 'let d = (await __k.import("m")).default;'],
    [
      "mixed imports",
      'import d, { e } from "m";',
      '__k.module = await __k.import("m"); let d = __k.module.default; let { e } = __k.module;',
    ],
    ["imports for effect", 'import "m";', 'await __k.import("m");'],
    ["type imports", 'import type { T } from "m";', ";"],
    ["type-only members", 'import { type T } from "m";', ";"],
    [
      "imports over lines",
      'import {\n  a,\n  b,\n} from "m";\na;',
      'let { a, b } = (await __k.import("m"));\n\n\n\n__k.out = (a);',
    ],
    ["dynamic imports", 'const m = await import("m")', 'let   m = await __k.w(__k.import("m"))'],
    ["import.meta", "import.meta.url", "__k.out = (__k.meta.url)"],
    ["awaits as cancel points", "await (f())", "__k.out = (await __k.w((f())))"],
    ["awaits in functions", "const f = async () => await g();", "let   f = async () => await __k.w(g());"],
    ["for await", "for await (const x of xs) f(x);", "for await (const x of __k.each(xs)) f(x);"],
    ["var and second var", "var a = 1; var a = 2;", "let a; ;(  a = 1); ;(  a = 2);"],
    ["var in loops", "for (var i = 0; i < 1; i++) {}", "let i; for (    i = 0; i < 1; i++) {}"],
    ["classes", "class A {}", "let A = class A {};"],
    ["abstract classes", "abstract class A {}", "         let A = class A {};"],
    ["functions, hoisted", "function f() {}", 'let f = __k.fn(f$$, "f"); f$$ = undefined; function f$$() {}'],
    ["exports", "export const a = 1;", "       let   a = 1;"],
    ["default exports", "export default 5", ";__k.out = (5)"],
    ["re-exports", 'export { a } from "m";', 'await __k.import("m");'],
    ["objects alone", "{ a: 1 }", "__k.out = (({ a: 1 }))"],
    ["blocks", "{ let a = 1 }", "{ let a = 1 }"],
    ["assertions", "(x as number)!", "__k.out = ((x          ) )"],
    ["generics", "f<number>(1)", "__k.out = (f        (1))"],
    ["satisfies", "const a = 1 satisfies number", "let   a = 1;                "],
    ["nothing", "", ""],
    ["a comment alone", "// a", "// a"],
    ["a comment behind a value", "1 // one", "__k.out = (1) // one"],
  ])("rewrites %s", (_, code, expected) => {
    expect(script(code)).toBe(expected);
  });

  it.each([
    ["enums", "enum E { A }", /^let E;[\s\S]*E\[E\["A"\] = 0\] = "A"/],
    ["constant enums", "const enum E { A }", /^let E;/],
    ["namespaces", "namespace N { export const x = 1 }", /^let N;[\s\S]*N\.x = 1/],
    ["parameter properties", "class P { constructor(public x: number) {} }", /this\.x = x/],
    ["decorators", "@dec class D {}", /let D = \(\(\) =>/],
    ["using", "using r = open(); const after = 1;", /let r, after;[\s\S]*__addDisposableResource/],
    ["import equals", 'import fs = require("fs");', /^let fs = require\("fs"\);/],
    ["await using", "await using r = open();", /__addDisposableResource\(env_1, open\(\), true\)/],
  ])("lets the compiler emit %s", (_, code, expected) => {
    expect(script(code)).toMatch(expected);
  });

  it.each([
    ["const a = ;", "Expression expected.", 1, 11],
    ["a b", "Unexpected keyword or identifier.", 1, 1],
    ["1;\n}", "Declaration or statement expected.", 2, 1],
  ])("reports the syntax error of %j", (code, message, line, column) => {
    expect(transform(code)).toEqual({ ok: false, message, line, column });
  });

  it("keeps every line of erased code in place", () => {
    const lines = [
      "const a: number = 1;",
      "import { x } from 'm';",
      "interface I {\n  a: 1\n}",
      "class C<T> {\n  private a: T;\n}",
      "function f(a: string): void {\n  return;\n}",
      "await f('x');",
      "import {\n  y,\n} from 'n';",
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...lines), { maxLength: 8 }), (statements) => {
        const code = [...statements, "mark"].join("\n");
        const found = script(code)
          .split("\n")
          .findIndex((line) => line.includes("(mark)"));
        expect(found).toBe(code.split("\n").indexOf("mark"));
      }),
    );
  });
});

describe("edits", () => {
  it("map generated columns back", () => {
    const { text, columns } = applyEdits("aa bb\ncc dd", [
      { start: 0, end: 0, text: "__" },
      { start: 9, end: 11, text: "xxxx" },
    ]);
    expect(text).toBe("__aa bb\ncc xxxx");
    expect(originalColumn(columns, 1, 6)).toBe(4);
    expect(originalColumn(columns, 2, 1)).toBe(1);
    expect(originalColumn(columns, 2, 4)).toBe(4);
  });

  it("leave every untouched character findable at its old column", () => {
    const edit = fc.record({ at: fc.nat(30), text: fc.stringMatching(/^[<>]{0,5}$/) });
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z\n]{1,30}$/), fc.array(edit, { maxLength: 4 }), (code, edits) => {
        const insertions = edits.map(({ at, text }) => ({
          start: Math.min(at, code.length),
          end: Math.min(at, code.length),
          text,
        }));
        const { text, columns } = applyEdits(code, insertions);
        const original = code.split("\n");
        text.split("\n").forEach((line, at) => {
          for (let column = 1; column <= line.length; column++) {
            const character = line[column - 1]!;
            if (character === "<" || character === ">") continue;
            expect(original[at]![originalColumn(columns, at + 1, column) - 1]).toBe(character);
          }
        });
      }),
    );
  });
});
