/** Loops with variables of their own: which loops get them, and that nothing but the time differs. */
import inspector from "node:inspector";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loops } from "../../../kernel/cell/loops.ts";
import { parseCell } from "../../../kernel/cell/parse.ts";
import { referencesOf } from "../../../kernel/cell/references.ts";
import { transform } from "../../../kernel/cell/transform.ts";

/** The script of the last of several cells. */
function scriptOf(...cells: readonly string[]): string {
  const session = loops();
  let script = "";
  for (const cell of cells) {
    const transformed = transform(cell, { loops: session.edits });
    if (!transformed.ok) throw new Error(transformed.message);
    session.commit(parseCell(cell).source);
    script = transformed.script.replace(/\n;undefined$/, "");
  }
  return script;
}

/** Names that the loops of the last cell have for themselves. */
const ownOf = (...cells: readonly string[]): string[] =>
  [...scriptOf(...cells).matchAll(/(?<=[ ,]|^)(\w+)\$in = \w+/g)].map(([, name]) => name!).sort();

const LOOP = "for (let i = 0; i < 9; i++) s += i / 2;";

describe("loops of the top level", () => {
  it("work on variables of their own, on the lines that are there", () => {
    expect(scriptOf("let s = 0;\nfor (;;)\n  s++;")).toBe(
      'let s = 0;\n{ let s$in = s, $out = (s$out) => { s = s$out; }; { let s = s$in; __k.loop = "$out(s)"; try { for (;;)\n  s++; } finally { __k.loop = ""; $out(s); } } }',
    );
  });

  it.each<readonly [string, readonly string[], readonly string[]]>([
    ["of this cell", [`let s = 0; ${LOOP}`], ["s"]],
    ["of an earlier cell", ["let s = 0, n = 9;", LOOP], ["s"]],
    [
      "that are only read",
      ["let s = 0; const f = 0.5, xs = [1];", "for (const x of xs) s += x * f;"],
      ["f", "s", "xs"],
    ],
    [
      "that a function reads, where the loop does too",
      ["let n = 9; const get = () => n;", "for (let i = 0; i < n; i++);"],
      ["n"],
    ],
    ["of `var`", ["for (var i = 0; i < 9; i++);"], ["i"]],
    ["of nested loops, once", ["let s = 0;", "a: for (;;) { for (;;) { s++; break a; } }"], ["s"]],
    ["in blocks", ["let s = 0; if (s === 0) { try { while (s < 9) s++; } catch {} }"], ["s"]],
    [
      "that are targets of patterns and heads",
      ["let s = 0, t = 0;", "for ([s, { t }] of [[1, { t: 2 }]] as any);"],
      ["s", "t"],
    ],
    [
      "beside functions of JavaScript",
      ["let s = 0;", "for (const x of [1]) s += Math.sqrt(x) + Number(x) + [x].at(0)!;"],
      ["s"],
    ],
    [
      "beside functions of cells",
      [
        "const half = (x: number) => twice(x) / 4; function twice(x: number) { return 2 * x; }",
        "let s = 0; for (const x of [1]) s += half(x);",
      ],
      ["half", "s"],
    ],
    [
      "beside a parameter of the same name",
      ["let s = 0; const f = (s: number) => { { let t = s; } return s; };", LOOP],
      ["s"],
    ],
    ["in a loop that waits, inside", ["let s = 0;", `for (;;) { await 1; ${LOOP} }`], ["s"]],
  ])("have variables %s", (_, cells, names) => {
    expect(ownOf(...cells)).toEqual(names);
  });

  it.each<readonly [string, ...string[]]>([
    ["a function mentions", "let s = 0; const peek = () => s;", LOOP],
    ["a later function of the cell mentions", `let s = 0; ${LOOP} function peek() { return s; }`],
    ["a class mentions", "let s = 0; class A { v = s; }", LOOP],
    ["a function in the loop mentions", "let s = 0; const all = [];", "for (;;) { all.push(() => s); s++; }"],
    [
      "a function assigns, though the loop only reads",
      "let s = 0; const set = () => { s = 1; };",
      "for (let i = 0; i < s; i++);",
    ],
    ["nobody has declared", LOOP],
    ["are declared below", `${LOOP} let s = 0;`],
    ["are functions", "function s() {}", "for (;;) s = 1 as any;"],
    ["belong to the block", `{ let s = 0; ${LOOP} }`],
    ["an expression for the front end mentions", "let s = 0;", "(() => s)", LOOP],
    ["a function made of text may mention", "let s = 0; const peek = new Function('return s');", LOOP],
    ["eval may mention", "let s = 0; globalThis['eval']('1');", LOOP],
    ["node:vm may mention", "let s = 0; import vm from 'node:vm';", LOOP],
  ])("share variables that %s", (_, ...cells) => {
    expect(ownOf(...cells)).not.toContain("s");
  });

  it.each<readonly [string, ...string[]]>([
    ["waits", "for (;;) { s++; await 1; }"],
    ["waits in its head", "for await (const x of [1]) s += x;"],
    ["calls what is imported", "import { peek } from './peek';", "for (;;) { s++; peek(); }"],
    [
      "calls a method that is not JavaScript's",
      "for (;;) { s++; display(s); kernel.signal.throwIfAborted(); }",
    ],
    [
      "calls a parameter of a function",
      "const call = (f: () => void) => f();",
      "for (;;) { s++; call(peek); }",
    ],
    ["hands a function on", "for (;;) { s++; [1].map(peek); }"],
    [
      "calls a function of a cell that calls what is imported",
      "const f = () => peek();",
      "for (;;) { s++; f(); }",
    ],
    ["calls a function that was replaced", "let f = () => 1;", "f = peek;", "for (;;) { s++; f(); }"],
    ["calls what hides a builtin", "const Math = { sqrt: peek };", "for (;;) { s++; Math.sqrt(); }"],
    ["makes an object of a class", "class A { constructor() { peek(); } }", "for (;;) { s++; new A(); }"],
    ["has a tag", "for (;;) { s++; tag`x`; }"],
    ["lets a resource go", "for (;;) { s++; using x = make(); }"],
  ])("share their variables where the loop %s", (_, ...cells) => {
    expect(ownOf("let s = 0;", ...cells)).toEqual([]);
  });

  it("know no cell after the process has been replaced", () => {
    const session = loops();
    session.commit(parseCell("let s = 0;").source);
    session.reset();
    expect(session.edits(parseCell(LOOP).source)).toEqual([]);
  });
});

describe("references", () => {
  it("are names that nothing beneath the top level binds", () => {
    const { source } = parseCell(`a.b; ({ c, d: e }); l: for (const f of g) { let h = f; break l; }
      type T = typeof i; function j(k = m, { n, o: p } = q) { var r; { let s; } return s + r + n + p + k; }
      class A extends B { u = v; [w]() {} } enum E { x, y = x } try {} catch (z) { z; } (aa as bb);`);
    const names = new Set(referencesOf(source).map(({ name }) => name));
    expect([...names].sort()).toEqual(["B", "a", "aa", "c", "e", "g", "m", "q", "s", "v", "w"]);
  });
});

describe("loops with variables of their own", () => {
  const session = new inspector.Session();
  beforeAll(() => {
    session.connect();
    Object.defineProperty(globalThis, "__k", { value: { loop: "" }, configurable: true });
  });
  afterAll(() => session.disconnect());
  const evaluate = (script: string): Promise<string> =>
    new Promise((resolve) => {
      session.post("Runtime.evaluate", { expression: script, replMode: true, silent: true }, (_, reply) => {
        const { exceptionDetails, result } = reply as inspector.Runtime.EvaluateReturnType;
        resolve(exceptionDetails?.exception?.description?.split("\n")[0] ?? String(result.value));
      });
    });

  const NAMES = ["p", "q", "r"] as const;
  const name = fc.constantFrom(...NAMES);
  const value = fc.oneof(name, fc.constantFrom("1", "0.5", "2 ** 31", "'x'", "null", "i", "[p, q]"));
  const { statement } = fc.letrec<{ statement: string; loop: string }>((tie) => ({
    statement: fc.oneof(
      { maxDepth: 3 },
      fc.tuple(name, fc.constantFrom("=", "+=", "-=", "*="), value).map((parts) => `${parts.join(" ")};`),
      fc.tuple(name, name).map(([a, b]) => `[${a}, ${b}] = [${b}, ${a}];`),
      name.map((a) => `${a}++;`),
      fc
        .tuple(value, fc.constantFrom("break", "continue", "continue out"))
        .map(([a, b]) => `if (${a} > 3) ${b};`),
      name.map((a) => `if (i === 2) ${a}.missing();`),
      name.map((a) => `if (i > 1) throw new Error(String(${a}));`),
      tie("loop"),
      tie("loop").map((loop) => `try { ${loop} } catch (error) { p = error.message; } finally { q++; }`),
    ),
    loop: fc.oneof(
      fc
        .tuple(tie("statement"), tie("statement"))
        .map(([a, b]) => `for (let i = 0; i < 4; i++) { ${a} ${b} }`),
      tie("statement").map((a) => `for (const i of [0.5, 2, 3]) { ${a} }`),
      tie("statement").map((a) => `{ let i = 0; while (i < 3) { i++; ${a} } }`),
    ),
  }));

  it("leave the same values, errors included", async () => {
    let owned = 0;
    const program = fc.array(statement, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(program, async (statements) => {
        const setup = "let p = 1, q = 0.5, r = 3;";
        const cell = `out: for (let i = 0; i < 3; i++) { ${statements.join("\n")} }`;
        const fast = scriptOf(setup, cell);
        if (fast.includes("$in")) owned++;
        const outcomes: string[] = [];
        for (const script of [cell, fast]) {
          await evaluate(setup);
          const ended = await evaluate(`${script}\n;undefined`);
          outcomes.push(`${ended} ${await evaluate("JSON.stringify([p, q, r, __k.loop])")}`);
        }
        expect(outcomes[1]).toBe(outcomes[0]);
      }),
      { numRuns: 300, seed: 11 },
    );
    expect(owned).toBeGreaterThan(200);
  });
});
