// biome-ignore-all lint/suspicious/noTemplateCurlyInString: cells are text
/** Values that draw themselves, and the memory they hold. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Content, RawClient } from "../raw-client.ts";

let client: RawClient;
beforeAll(async () => {
  client = await RawClient.start();
});
afterAll(() => client.stop());

async function bundle(code: string): Promise<Content> {
  const { result, error } = await client.execute(code, { stop_on_error: false });
  if (error !== undefined) throw new Error(`${error["ename"]}: ${error["evalue"]}`);
  return (result?.["data"] ?? {}) as Content;
}

describe("helpers", () => {
  it.each([
    ["html`<b>${1 + 1}</b>`", "text/html", "<b>2</b>"],
    ["html('<i>x</i>')", "text/html", "<i>x</i>"],
    ["md`# ${'Title'}`", "text/markdown", "# Title"],
    ["latex`$\\alpha$`", "text/latex", "$\\alpha$"],
    ["svg`<svg></svg>`", "image/svg+xml", "<svg></svg>"],
    ["png(new Uint8Array([1, 2, 3]))", "image/png", "AQID"],
    ["png('AQID')", "image/png", "AQID"],
  ])("%s", async (code, type, expected) => {
    const data = await bundle(code);
    expect(data[type]).toBe(expected);
    expect(typeof data["text/plain"]).toBe("string");
  });

  it("json shows a tree", async () => {
    expect((await bundle("json({ a: [1] })"))["application/json"]).toEqual({ a: [1] });
  });

  it("table aligns, escapes and shortens", async () => {
    const data = await bundle(
      "table([{ name: '<a>', score: 1 / 3 }, { name: 'b', score: 2 }, { name: 'c', score: 3 }], { limit: 2 })",
    );
    expect(data["text/html"]).toContain("&#60;a&#62;");
    expect(data["text/html"]).toContain("0.333333");
    expect(data["text/plain"]).toBe(
      "name     score\n────  ────────\n<a>   0.333333\nb            2\n… 1 more rows",
    );
    await expect(bundle("table(5 as any)")).rejects.toThrow(
      "Cannot show a table as the rows must be iterable: got 5",
    );
  });

  it("recognises the bytes of pictures", async () => {
    const data = await bundle("new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10])");
    expect(data["image/png"]).toBe("iVBORw0KGgo=");
    expect((await bundle("new Uint8Array([1, 2])"))["text/plain"]).toBe("Uint8Array(2) [ 1, 2 ]");
  });
});

describe("values that are not JSON", () => {
  it.each([
    ["a cycle", "const cycle: any = {}; cycle.self = cycle; json(cycle)", "circular structure"],
    ["a big integer", "({ 'application/json': { big: 1n } })", "BigInt"],
  ])("%s fails the cell that shows it, and no other", async (_, code, reason) => {
    const fault = `TypeError: Cannot show the value as what it draws must be JSON: .*${reason}`;
    await expect(bundle(code)).rejects.toThrow(new RegExp(fault));
    await expect(bundle(`display((() => { ${code.replace(/(json|\()/, "return $1")} })())`)).rejects.toThrow(
      new RegExp(fault),
    );
    expect(await bundle("'next'")).toEqual({ "text/plain": "'next'" });
  });
});

describe("charts", () => {
  const spec =
    'data: { values: [{ a: 1, b: 2 }, { a: 2, b: 3 }] }, mark: "line", encoding: { x: { field: "a", type: "quantitative" }, y: { field: "b", type: "quantitative" } }';
  it.each([
    [
      "a specification by its $schema",
      `({ $schema: "https://vega.github.io/schema/vega-lite/v6.json", ${spec} })`,
    ],
    ["vegaLite without $schema", `vegaLite({ ${spec} })`],
    [
      "a value with a bundle of a later media type, and HTML",
      `({ [Symbol.for("Jupyter.display")]: () => ({ "text/html": "x", "application/vnd.vegalite.v6+json": { $schema: "https://vega.github.io/schema/vega-lite/v6.json", ${spec} } }) })`,
    ],
  ])("%s goes out as version 5 with a picture, without HTML", async (_, code) => {
    const data = await bundle(code);
    expect(Object.keys(data).sort()).toEqual([
      "application/vnd.vegalite.v5+json",
      "image/svg+xml",
      "text/plain",
    ]);
    expect(data["application/vnd.vegalite.v5+json"]["$schema"]).toBe(
      "https://vega.github.io/schema/vega-lite/v5.json",
    );
    expect(data["image/svg+xml"]).toMatch(/^<svg[\s\S]*<path/);
  });
  it("without a drawable specification still shows, and says why it has no picture", async () => {
    const data = await bundle(
      'vegaLite({ mark: "nonsense", data: { url: "file:///no/such.csv" }, encoding: { x: { field: 5 } } })',
    );
    expect(data["application/vnd.vegalite.v5+json"]).toBeDefined();
    expect(data["text/plain"] + (data["image/svg+xml"] ?? "")).toMatch(/no picture|<svg/);
  });
});

describe("memory", () => {
  const megabytes = async (): Promise<number> => {
    const code = `// @ts-nocheck
for (let round = 0; round < 4; round++) { globalThis.gc?.(); await new Promise((r) => setTimeout(r, 40)); }
Math.round(process.memoryUsage().arrayBuffers / 1e6)`;
    return Number((await bundle(code))["text/plain"]);
  };

  it("does not keep results, prints or displays alive: ten cells of 80 MB", async () => {
    await bundle(
      'require("node:v8").setFlagsFromString("--expose-gc"); (globalThis as any).gc = require("node:vm").runInNewContext("gc"); 0',
    );
    const before = await megabytes();
    for (let cell = 0; cell < 10; cell++) {
      await bundle("new Uint8Array(80e6)");
      await bundle(
        "console.log([new Uint8Array(1e6).subarray(0, 3)]); display([new Uint8Array(1e6).subarray(0, 3)]); await Promise.resolve(new Uint8Array(80e6)); 0",
      );
    }
    expect(await megabytes()).toBeLessThan(before + 100);
  });

  it("does not keep what a long loop awaited", async () => {
    const before = await megabytes();
    await bundle(
      "for (let i = 0; i < 200; i++) await new Promise((r) => setTimeout(() => r(new Uint8Array(2e6)), 0)); 0",
    );
    expect(await megabytes()).toBeLessThan(before + 100);
  });

  it("lets go of a redeclared value, and of a failed cell's", async () => {
    const before = await megabytes();
    for (let cell = 0; cell < 4; cell++) await bundle("let big = new Uint8Array(80e6); 0");
    await client.execute("throw Object.assign(new Error('x'), { big: new Uint8Array(80e6) })", {
      stop_on_error: false,
    });
    expect(await megabytes()).toBeLessThan(before + 130);
    await bundle("drop('big')");
    expect(await megabytes()).toBeLessThan(before + 50);
    expect((await bundle("typeof big"))["text/plain"]).toBe("'undefined'");
  });

  it("shows what each variable holds, tensors by their own word", async () => {
    await bundle("const buffer = new Float32Array(3e6); const nested = { a: [new Uint8Array(5e6)] };");
    await bundle("const many = new Map(Array.from({ length: 150_000 }, (_, i) => [i, i] as const)); 0");
    await bundle(`class FakeTensor { disposed = 0; [Symbol.for("Jupyter.memory")]() { return { bytes: 4e6, tensors: 1 }; } [Symbol.dispose]() { this.disposed++; } }
const weights = [new FakeTensor(), new FakeTensor()]; let tensor = new FakeTensor(); const alias = tensor;`);
    const report = await bundle("memory()");
    expect(report["text/html"]).toContain("JavaScript heap");
    expect(report["text/plain"]).toMatch(/buffer\s+Float32Array\s+12\.0 MB/);
    expect(report["text/plain"]).toMatch(/many\s+Map/);
    const rows = JSON.parse(
      JSON.parse(
        `"${(await bundle("JSON.stringify(memory().variables.filter((v) => ['nested', 'weights'].includes(v.name)))"))["text/plain"].slice(1, -1).replace(/"/g, '\\"')}"`,
      ),
    ) as Content[];
    expect(rows.find(({ name }) => name === "nested")!["bytes"]).toBeGreaterThan(5e6);
    expect(rows.find(({ name }) => name === "weights")).toMatchObject({ tensors: 2 });
    expect((await bundle("memory().tensors"))["text/plain"]).toBe("3");
    await bundle("drop('tensor')");
    expect((await bundle("alias.disposed"))["text/plain"]).toBe("0");
    await bundle("const watched = alias as any; drop('alias'); 0");
    expect((await bundle("watched.disposed"))["text/plain"]).toBe("0");
    await bundle(
      "const own = new FakeTensor(); const log: number[] = []; (own as any)[Symbol.dispose] = () => log.push(1); drop('own'); 0",
    );
    expect((await bundle("log"))["text/plain"]).toBe("[ 1 ]");
    await expect(bundle("drop('nobody')")).rejects.toThrow(
      'Cannot drop a variable as no cell has declared it: got "nobody"',
    );
  });
});
