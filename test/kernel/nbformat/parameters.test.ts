import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeCell, type Json, notebook, tagsOf } from "../../../kernel/nbformat/notebook.ts";
import { injectParameters, parseAssignments, readParameters } from "../../../kernel/nbformat/parameters.ts";

const withDefaults = (source: string) =>
  notebook([
    codeCell("// first"),
    codeCell(source, { metadata: { tags: ["parameters"] } }),
    codeCell("// last"),
  ]);
const defaults = withDefaults(`
  // how long to train
  const steps = 1_000, shift = -0.6;
  let prompt = "a red ball";
  const fast = false;
  const budgets: number[] = [4, 8];
  const scene: string | null = null;
  const options = { topK: 3, "with space": [true] } as const;
  const computed = steps * 2;
  const { a } = options;
  function helper() {}
`);
const injectedSource = async (values: { [name: string]: Json }, areText = false) =>
  (await injectParameters(defaults, values, { areText })).cells[2]!.source;

describe("readParameters", () => {
  it("finds the literals of the tagged cell and nothing else", async () => {
    expect(await readParameters(defaults)).toEqual([
      { name: "steps", keyword: "const", defaultValue: 1000 },
      { name: "shift", keyword: "const", defaultValue: -0.6 },
      { name: "prompt", keyword: "let", defaultValue: "a red ball" },
      { name: "fast", keyword: "const", defaultValue: false },
      { name: "budgets", keyword: "const", defaultValue: [4, 8], type: "number[]" },
      { name: "scene", keyword: "const", defaultValue: null, type: "string | null" },
      { name: "options", keyword: "const", defaultValue: { topK: 3, "with space": [true] } },
    ]);
    expect(await readParameters(notebook([codeCell("const a = 1")]))).toEqual([]);
  });
});

describe("injectParameters", () => {
  it("puts a tagged cell after the defaults and leaves the given notebook alone", async () => {
    const result = await injectParameters(defaults, { steps: 20, prompt: 'say "hi"' });
    expect(defaults.cells).toHaveLength(3);
    expect(result.cells.map(tagsOf)).toEqual([[], ["parameters"], ["injected-parameters"], []]);
    expect(result.cells[2]!.source).toBe('// Parameters\nconst steps = 20;\nlet prompt = "say \\"hi\\"";');
  });

  it("keeps declared types", async () => {
    expect(await injectedSource({ budgets: [1], scene: "bounce" })).toBe(
      '// Parameters\nconst budgets: number[] = [1];\nconst scene: string | null = "bounce";',
    );
  });

  it("replaces what an earlier run injected, and takes it out when nothing is given", async () => {
    const once = await injectParameters(defaults, { steps: 1 });
    const twice = await injectParameters(once, { steps: 2 });
    expect(twice.cells).toHaveLength(4);
    expect(twice.cells[2]!.source).toContain("steps = 2");
    expect((await injectParameters(once, {})).cells).toEqual(defaults.cells);
  });

  it("names the known parameters when one is unknown", async () => {
    await expect(injectParameters(defaults, { stepz: 1 })).rejects.toThrow(
      'Cannot set the parameter "stepz": the notebook does not declare it. Known parameters: steps, shift, prompt, fast, budgets, scene, options.',
    );
    await expect(injectParameters(notebook([]), { steps: 1 })).rejects.toThrow("the notebook declares none");
  });

  it("reads texts from a command line by the kind of the default", async () => {
    const given = {
      steps: "1_500",
      shift: "-.5",
      prompt: "20",
      fast: "true",
      budgets: "[1, 2]",
      scene: "pour",
    };
    expect(await injectedSource(given, true)).toBe(
      [
        "// Parameters",
        "const steps = 1500;",
        "const shift = -0.5;",
        'let prompt = "20";',
        "const fast = true;",
        "const budgets: number[] = [1,2];".replace("1,2", "1, 2"),
        'const scene: string | null = "pour";',
      ].join("\n"),
    );
  });

  it.each([
    [{ steps: "many" }, 'default 1000 is of kind number: got "many". Give a number.'],
    [{ steps: "" }, "Give a number"],
    [{ fast: "yes" }, "Give a boolean"],
    [{ options: "x" }, "Write it as JSON"],
  ])("refuses %j", async (given, message) => {
    await expect(injectParameters(defaults, given, { areText: true })).rejects.toThrow(message);
  });

  it("refuses values of another kind than the default from a program, too", async () => {
    await expect(injectParameters(defaults, { steps: "20" })).rejects.toThrow("is of kind number");
  });

  it("writes any JSON as TypeScript that means the same", () => {
    return fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 3 }), async (value) => {
        const book = withDefaults("const given: unknown = null;");
        const wanted = JSON.parse(JSON.stringify(value)) as Json;
        const again = await injectParameters(book, { given: wanted });
        const injected = { ...again.cells[2]!, metadata: { tags: ["parameters"] } };
        const [parameter] = await readParameters(notebook([injected]));
        // `__proto__` must be written as a computed name, which is no literal any more.
        if (JSON.stringify(wanted).includes("__proto__")) expect(injected.source).toContain('["__proto__"]');
        else expect(parameter!.defaultValue).toEqual(wanted);
      }),
      { numRuns: 100, seed: 3 },
    );
  });
});

describe("parseAssignments", () => {
  it("splits at the first equals sign", () => {
    expect(parseAssignments(["a=1", "b=x=y", "c="])).toEqual({ a: "1", b: "x=y", c: "" });
    expect(() => parseAssignments(["steps"])).toThrow('Cannot read the parameter "steps" as name=value');
    expect(() => parseAssignments(["a b=1"])).toThrow("as name=value");
  });
});
