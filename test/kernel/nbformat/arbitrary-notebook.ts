/** Notebooks at random for property tests: every kind of cell and output, hostile keys and texts included. */
import fc from "fast-check";
import type { Cell, Json, MimeBundle, Notebook, Output } from "../../../kernel/nbformat/notebook.ts";

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc
    .array(fc.constantFrom("a", "\n", "\r\n", "\u2028", "\f", "é", "😀", "\\", '"'), { maxLength: 12 })
    .map((parts) => parts.join("")),
);

// -0 and 1.0 have no spelling of their own in JSON.
const json: fc.Arbitrary<Json> = fc
  .jsonValue({ maxDepth: 3 })
  .map((value) => JSON.parse(JSON.stringify(value)) as Json);

const metadata = fc
  .dictionary(fc.oneof(text, fc.constantFrom("__proto__", "constructor", "a\u{10000}", "a\uffff")), json, {
    maxKeys: 3,
  })
  .map((members) => {
    // These have a meaning in the schema; random values under them would rightly be refused.
    for (const name of [
      "tags",
      "name",
      "jupyter",
      "collapsed",
      "scrolled",
      "execution",
      "format",
      "kernelspec",
      "language_info",
      "title",
      "authors",
      "orig_nbformat",
    ])
      delete members[name];
    return members;
  });

const bundle: fc.Arbitrary<MimeBundle> = fc
  .tuple(
    fc.dictionary(fc.constantFrom("text/plain", "text/html", "image/png", "image/svg+xml"), text, {
      maxKeys: 3,
    }),
    fc.dictionary(fc.constantFrom("application/json", "application/vnd.vegalite.v5+json"), json, {
      maxKeys: 2,
    }),
  )
  .map(([texts, values]) => ({ ...texts, ...values }));

const executionCount = fc.option(fc.nat(1000), { nil: null });

const output: fc.Arbitrary<Output> = fc.oneof(
  fc.record({ output_type: fc.constant("stream" as const), name: fc.constantFrom("stdout", "stderr"), text }),
  fc.record({ output_type: fc.constant("display_data" as const), data: bundle, metadata }),
  fc.record({
    output_type: fc.constant("execute_result" as const),
    data: bundle,
    metadata,
    execution_count: executionCount,
  }),
  fc.record({
    output_type: fc.constant("error" as const),
    ename: text,
    evalue: text,
    traceback: fc.array(text, { maxLength: 3 }),
  }),
);

const cell: fc.Arbitrary<Cell> = fc.oneof(
  fc.record({
    cell_type: fc.constant("code" as const),
    id: fc.constant(""),
    metadata,
    source: text,
    outputs: fc.array(output, { maxLength: 3 }),
    execution_count: executionCount,
  }),
  fc.record({
    cell_type: fc.constantFrom("markdown" as const, "raw" as const),
    id: fc.constant(""),
    metadata,
    source: text,
  }),
);

export const arbitraryNotebook: fc.Arbitrary<Notebook> = fc
  .record({ cells: fc.array(cell, { maxLength: 5 }), metadata })
  .map((given) => ({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: given.metadata,
    cells: given.cells.map((one, index) => ({ ...one, id: `cell-${index}` })),
  }));
