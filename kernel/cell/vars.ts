/**
 * `var` of a cell -> `let`, as names of `let` can be declared again in V8's REPL mode and those of `var` cannot.
 *
 * A plain `var x = 1` of the top level becomes `let x = 1`. One that stands in a block or a loop head, or that declares a
 * name again, keeps its meaning by `let x` on the first line and an assignment in its place.
 */
import type TS from "typescript";
import { boundNames, functionScopedLists, isBlockScoped } from "./declarations.ts";
import type { Edit } from "./edits.ts";
import ts from "./typescript.ts";
import { valueEnd } from "./value-end.ts";

export interface VarRewriting {
  readonly edits: readonly Edit[];
  /** Names to declare by `let` before anything else. */
  readonly hoisted: readonly string[];
}

/** Names that the top level declares otherwise than by `var`. */
function lexicalNames(source: TS.SourceFile): Set<string> {
  return new Set(
    source.statements.flatMap((statement) => {
      if (ts.isVariableStatement(statement) && isBlockScoped(statement.declarationList))
        return statement.declarationList.declarations.flatMap(({ name }) => boundNames(name));
      const isNamed = ts.isClassDeclaration(statement) || ts.isFunctionDeclaration(statement);
      return isNamed && statement.name !== undefined ? [statement.name.text] : [];
    }),
  );
}

const namesOf = (list: TS.VariableDeclarationList): string[] =>
  list.declarations.flatMap(({ name }) => boundNames(name));

/** Edits of the `var`s of a cell, or of the compiler's output, where helpers (`__decorate`) stay as they are. */
export function rewriteVars(source: TS.SourceFile): VarRewriting {
  const lists = functionScopedLists(source).filter(
    (list) => !namesOf(list).some((name) => name.startsWith("__")),
  );
  const lexical = lexicalNames(source);
  const uses = new Map<string, number>();
  for (const name of lists.flatMap(namesOf)) uses.set(name, (uses.get(name) ?? 0) + 1);
  const hoisted = new Set<string>();
  const edits: Edit[] = [];
  for (const list of lists) {
    const start = list.getStart(source);
    const keyword = (text: string): void => void edits.push({ start, end: start + "var".length, text });
    const names = namesOf(list);
    const isStatement = ts.isVariableStatement(list.parent);
    const isTopLevel = isStatement && list.parent.parent === source;
    if (isTopLevel && names.every((name) => uses.get(name) === 1 && !lexical.has(name))) {
      keyword("let");
      continue;
    }
    for (const name of names) if (!lexical.has(name)) hoisted.add(name);
    if (!isStatement) {
      keyword("   "); // The head of a loop: what is left is an assignment, or the target of `of` and `in`.
      continue;
    }
    // In a list of statements, a semicolon keeps the parenthesis from calling what stands before it.
    const around = list.parent.parent;
    const isInList = ts.isBlock(around) || ts.isSourceFile(around) || ts.isCaseOrDefaultClause(around);
    keyword(isInList ? ";( " : "(  ");
    const last = list.declarations.at(-1)!;
    const end = last.initializer === undefined ? last.name.end : valueEnd(last.initializer);
    edits.push({ start: end, end, text: ")" });
  }
  return { edits, hoisted: [...hoisted] };
}
