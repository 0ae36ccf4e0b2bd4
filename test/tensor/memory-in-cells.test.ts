/** `memory()` in a cell: live tensors by variable, by the contract between the kernel and a library's values. */
import { expect, it } from "vitest";
import { runToEnd } from "../../kernel/client/run-notebook.ts";
import { codeCell, isCodeCell, notebook } from "../../kernel/nbformat/notebook.ts";
import { packageRoot } from "../../src/tensor/package-root.ts";

it("memory() shows the tensors of each variable, and not what is disposed", async () => {
  const cells = [
    `import { CausalWan, tf, worldCodec } from "zoetrope";
const weights = tf.zeros([1000, 250]);
const pair = { a: tf.ones([500]), rest: [tf.variable(tf.ones([500]))] };
const gone = tf.zeros([1000]);
gone.dispose();
const model = CausalWan.mini({ codec: worldCodec(), seed: 1 });`,
    `JSON.stringify(memory().variables.map(({ name, kind, bytes, tensors }) => [name, kind, bytes, tensors]))`,
  ].map((source, i) => codeCell(source, { id: `cell-${i}` }));
  const { status, notebook: executed } = await runToEnd(notebook(cells), {
    cwd: packageRoot,
    timeout: 120_000,
  });
  expect(status).toBe("ok");
  const [output] = executed.cells.filter(isCodeCell)[1]!.outputs;
  const text = (output as unknown as { data: Record<string, string | string[]> }).data["text/plain"]!;
  const quoted = Array.isArray(text) ? text.join("") : text;
  const rows = JSON.parse(quoted.slice(1, -1)) as [string, string, number, number][];
  const row = (name: string) => rows.find(([other]) => other === name)!;
  expect(row("weights")).toEqual(["weights", "Tensor", 1_000_000, 1]);
  expect(row("pair")[3]).toBe(2);
  expect(row("pair")[2]).toBeGreaterThanOrEqual(4000);
  expect(row("gone")).toEqual(["gone", "Tensor", 0, 0]);
  // More than a million parameters.
  expect(row("model")[3]).toBeGreaterThan(20);
  expect(row("model")[2]).toBeGreaterThan(4e6);
}, 180_000);
