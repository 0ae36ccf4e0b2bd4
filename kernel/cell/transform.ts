/**
 * A cell of TypeScript -> a script for V8's REPL mode, text in, text out.
 *
 * Types are erased by blanking (ts-blank-space), so lines and columns stay. Enums, namespaces, parameter properties,
 * decorators and `using` go through the compiler's emit instead, with a source map.
 */
import { blankSourceFile } from "ts-blank-space";
import ts from "typescript";
import { applyEdits, type ColumnMap } from "./edits.ts";
import { isObjectAlone, parseCell, positionAt } from "./parse.ts";
import { rewrite } from "./rewrite.ts";

/** The way back from positions in the script to positions in the cell. */
export interface CellMap {
  readonly columns: ColumnMap;
  /** Source map (version 3, JSON) that comes before `columns`, where the compiler emitted the script. */
  readonly sourceMap?: string;
}

export type Transformed =
  | { readonly ok: true; readonly script: string; readonly map: CellMap }
  | { readonly ok: false; readonly message: string; readonly line: number; readonly column: number };

export interface TransformOptions {
  /** The older decorators of TypeScript, as a project's tsconfig may ask for. */
  readonly experimentalDecorators?: boolean;
  readonly emitDecoratorMetadata?: boolean;
}

/** Top-level `var` of emitted code (enums, namespaces, names hoisted out of a `using` block) -> `let`. */
function reletEmitted(script: string): string {
  const { source } = parseCell(script, "emitted.js");
  let out = script;
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    const list = statement.declarationList;
    const helper = list.declarations.some(({ name }) => ts.isIdentifier(name) && name.text.startsWith("__"));
    if ((list.flags & ts.NodeFlags.BlockScoped) !== 0 || helper) continue;
    const start = list.getStart(source);
    out = `${out.slice(0, start)}let${out.slice(start + 3)}`;
  }
  return out;
}

function emit(text: string, options: TransformOptions): { script: string; sourceMap: string } {
  const { outputText, sourceMapText } = ts.transpileModule(text, {
    fileName: "cell.ts",
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleDetection: ts.ModuleDetectionKind.Force,
      experimentalDecorators: options.experimentalDecorators ?? false,
      emitDecoratorMetadata: options.emitDecoratorMetadata ?? false,
      useDefineForClassFields: !options.experimentalDecorators,
      preserveConstEnums: true,
      sourceMap: true,
    },
  });
  const script = outputText.replace(/^\/\/# sourceMappingURL=.*$/m, "").replace(/^export \{\};$/m, "");
  return { script: reletEmitted(script), sourceMap: sourceMapText ?? "" };
}

export function transform(code: string, options: TransformOptions = {}): Transformed {
  const parsed = parseCell(isObjectAlone(code) ? `(${code})` : code);
  const fault = parsed.faults[0];
  if (fault !== undefined)
    return { ok: false, message: fault.message, ...positionAt(parsed.source, fault.start) };
  const { source } = parsed;
  const { edits, needsEmit } = rewrite(source);
  let erasable = !needsEmit;
  let erased = "";
  if (erasable) {
    erased = blankSourceFile(source, () => {
      erasable = false;
    });
  }
  if (erasable) {
    const { text, columns } = applyEdits(erased, edits);
    return { ok: true, script: `${text}\n;undefined`, map: { columns } };
  }
  const { text, columns } = applyEdits(source.text, edits);
  const { script, sourceMap } = emit(text, options);
  return { ok: true, script: `${script}\n;undefined`, map: { columns, sourceMap } };
}
