/**
 * A cell of TypeScript -> a script for V8's REPL mode, text in, text out.
 *
 * Types are erased by blanking (ts-blank-space), so lines and columns stay. Enums, namespaces, parameter properties,
 * decorators and `using` go through the compiler's emit instead, with a source map.
 */
import type TS from "typescript";
import { applyEdits, type ColumnMap, type Edit } from "./edits.ts";
import { type EmitOptions, emit } from "./emit.ts";
import { isObjectAlone, parseCell, positionAt } from "./parse.ts";
import { rewrite } from "./rewrite.ts";
import { blankSourceFile } from "./typescript.ts";
import { rewriteVars } from "./vars.ts";

/** The way back from positions in the script to positions in the cell. */
export interface CellMap {
  readonly columns: ColumnMap;
  /** Source map (version 3, JSON) that comes before `columns`, where the compiler emitted the script. */
  readonly sourceMap?: string;
}

export type Transformed =
  | { readonly ok: true; readonly script: string; readonly map: CellMap }
  | { readonly ok: false; readonly message: string; readonly line: number; readonly column: number };

export interface TransformOptions extends EmitOptions {
  /** Edits that make the loops of a cell fast: see loops.ts. */
  readonly loops?: (source: TS.SourceFile) => readonly Edit[];
}

/** The compiler's output as a script: its top-level `var` (enums, namespaces, what a `using` block hoists) become `let`. */
function scriptOf(text: string, options: TransformOptions): { script: string; sourceMap: string } {
  const emitted = emit(text, "cell.ts", options);
  const script = emitted.script.replace(/^export \{\};$/m, "");
  const { edits, hoisted } = rewriteVars(parseCell(script, "emitted.js").source);
  return { script: applyEdits(script, [declared(hoisted), ...edits]).text, sourceMap: emitted.sourceMap };
}

const declared = (names: readonly string[]): Edit => ({
  start: 0,
  end: 0,
  text: names.length === 0 ? "" : `let ${names.join(", ")}; `,
});

export function transform(code: string, options: TransformOptions = {}): Transformed {
  const parsed = parseCell(isObjectAlone(code) ? `(${code})` : code);
  const fault = parsed.faults[0];
  if (fault !== undefined)
    return { ok: false, message: fault.message, ...positionAt(parsed.source, fault.start) };
  const { source } = parsed;
  const { edits: rewriting, needsEmit } = rewrite(source);
  const edits = [...rewriting, ...(options.loops?.(source) ?? [])];
  let erasable = !needsEmit;
  let erased = "";
  if (erasable) {
    erased = blankSourceFile(source, () => {
      erasable = false;
    });
  }
  if (erasable) {
    const vars = rewriteVars(source);
    const { text, columns } = applyEdits(erased, [declared(vars.hoisted), ...edits, ...vars.edits]);
    return { ok: true, script: `${text}\n;undefined`, map: { columns } };
  }
  const { text, columns } = applyEdits(source.text, edits);
  const { script, sourceMap } = scriptOf(text, options);
  return { ok: true, script: `${script}\n;undefined`, map: { columns, sourceMap } };
}

/** An expression without its types, for `user_expressions`; as given where that cannot be done, so that V8 says why. */
export function eraseExpression(code: string): string {
  const { source, faults } = parseCell(`(${code}\n)`);
  if (faults.length > 0) return code;
  return blankSourceFile(source, () => {}).slice("(".length, -"\n)".length);
}
