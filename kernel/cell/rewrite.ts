/**
 * What a cell needs to run as a script of V8's REPL mode, as edits on its own text:
 *
 * - static and dynamic imports -> `__k.import(...)` (code of the inspector has no `import()`), `import.meta` -> `__k.meta`
 * - `await E` -> `await __k.w(E)` and `for await (x of E)` -> `... of __k.each(E)`: places where the stop button acts
 * - every top-level const, class and function -> `let`, so that any name can be declared again in any form (`var`: vars.ts);
 *   functions keep being hoisted: `function f$$() {}` in place, `let f = __k.fn(f$$, "f")` on the first line
 * - `export` dropped; the value of a last expression goes to `__k.out`
 *
 * The runtime half (`__k`) is in `kernel/child/evaluate.ts`.
 */
import type TS from "typescript";
import { hasModifier } from "./declarations.ts";
import type { Edit } from "./edits.ts";
import { isBeyondNode } from "./emit.ts";
import ts from "./typescript.ts";
import { valueEnd } from "./value-end.ts";

const DECLARE = ts.SyntaxKind.DeclareKeyword;

/** Nothing of such a statement is left at run time. */
function isTypeOnly(statement: TS.Statement): boolean {
  return (
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement) ||
    hasModifier(statement, DECLARE) ||
    (ts.isFunctionDeclaration(statement) && statement.body === undefined) ||
    (ts.isImportEqualsDeclaration(statement) && statement.isTypeOnly)
  );
}

/** `let` clauses that bind what an import declaration names, from the namespace object in `module`. */
function bindings(clause: TS.ImportClause, module: string): string[] {
  const bound: string[] = [];
  if (clause.name !== undefined) bound.push(`let ${clause.name.text} = ${module}.default`);
  const named = clause.namedBindings;
  if (named !== undefined && ts.isNamespaceImport(named)) bound.push(`let ${named.name.text} = ${module}`);
  else if (named !== undefined) {
    const members = named.elements
      .filter((element) => !element.isTypeOnly)
      .map(({ propertyName, name }) =>
        propertyName === undefined ? name.text : `${JSON.stringify(propertyName.text)}: ${name.text}`,
      );
    if (members.length > 0) bound.push(`let { ${members.join(", ")} } = ${module}`);
  }
  return bound;
}

function importCode(statement: TS.ImportDeclaration): string {
  const clause = statement.importClause;
  if (clause?.isTypeOnly) return ";";
  const load = `await __k.import(${statement.moduleSpecifier.getText()})`;
  if (clause === undefined) return `${load};`;
  const named = clause.namedBindings;
  const onlyTypes =
    clause.name === undefined &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.length > 0 &&
    named.elements.every((element) => element.isTypeOnly);
  if (onlyTypes) return ";";
  const several = bindings(clause, "__k.module");
  return several.length === 1
    ? `${bindings(clause, `(${load})`)[0]};`
    : `__k.module = ${load}; ${several.join("; ")};`;
}

export interface Rewriting {
  readonly edits: readonly Edit[];
  /** The cell needs the compiler's own emit: syntax that V8 does not know. */
  readonly needsEmit: boolean;
}

export function rewrite(source: TS.SourceFile): Rewriting {
  const edits: Edit[] = [];
  const hoisted: string[] = [];
  let needsEmit = false;
  const replace = (start: number, end: number, text: string): void => {
    edits.push({ start, end, text });
  };
  const blank = (node: TS.Node): void => {
    replace(node.getStart(source), node.end, " ".repeat(node.end - node.getStart(source)));
  };
  const wrap = (node: TS.Expression, open: string): void => {
    replace(node.getStart(source), node.getStart(source), open);
    replace(valueEnd(node), valueEnd(node), ")");
  };

  const visit = (node: TS.Node): void => {
    if (ts.isAwaitExpression(node)) wrap(node.expression, "__k.w(");
    else if (ts.isForOfStatement(node) && node.awaitModifier !== undefined)
      wrap(node.expression, "__k.each(");
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      replace(node.expression.getStart(source), node.expression.end, "__k.import");
    else if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
      replace(node.getStart(source), node.end, "__k.meta");
    if (isBeyondNode(node)) needsEmit = true;
    ts.forEachChild(node, visit);
  };

  /** `const x` of the top level becomes `let x`; of `var`, see vars.ts. */
  const relet = (list: TS.VariableDeclarationList): void => {
    const start = list.getStart(source);
    if ((list.flags & ts.NodeFlags.BlockScoped) === ts.NodeFlags.Const)
      replace(start, start + "const".length, "let  ");
  };

  const dropExport = (statement: TS.Statement): void => {
    if (!ts.canHaveModifiers(statement)) return;
    for (const modifier of ts.getModifiers(statement) ?? [])
      if (modifier.kind === ts.SyntaxKind.ExportKeyword || modifier.kind === ts.SyntaxKind.DefaultKeyword)
        blank(modifier);
  };

  const declareClass = (statement: TS.ClassDeclaration): void => {
    const decorated = (ts.getDecorators(statement)?.length ?? 0) > 0;
    if (statement.name === undefined || decorated) return; // Decorated: the compiler emits `let C = ...`.
    const start = ts.getModifiers(statement)?.find(({ kind }) => kind === ts.SyntaxKind.AbstractKeyword);
    if (start !== undefined) blank(start);
    const keyword = statement
      .getChildren(source)
      .find((child) => child.kind === ts.SyntaxKind.ClassKeyword)!
      .getStart(source);
    replace(keyword, keyword, `let ${statement.name.text} = `);
    replace(statement.end, statement.end, ";");
  };

  const declareFunction = (statement: TS.FunctionDeclaration): void => {
    if (statement.name === undefined || statement.body === undefined) return;
    const { text, end } = statement.name;
    replace(end, end, "$$");
    if (!hoisted.includes(text)) hoisted.push(text);
  };

  const last = source.statements.at(-1);
  for (const statement of source.statements) {
    if (ts.isImportDeclaration(statement)) {
      replace(statement.getStart(source), statement.end, importCode(statement));
      continue;
    }
    if (ts.isExportDeclaration(statement)) {
      const from = statement.isTypeOnly ? undefined : statement.moduleSpecifier?.getText(source);
      replace(
        statement.getStart(source),
        statement.end,
        from === undefined ? ";" : `await __k.import(${from});`,
      );
      continue;
    }
    if (isTypeOnly(statement)) continue;
    if (ts.isImportEqualsDeclaration(statement)) {
      const reference = statement.moduleReference;
      const value = ts.isExternalModuleReference(reference)
        ? `require(${reference.expression.getText(source)})`
        : reference.getText(source);
      replace(statement.getStart(source), statement.end, `let ${statement.name.text} = ${value};`);
      continue;
    }
    if (ts.isExportAssignment(statement)) {
      replace(statement.getStart(source), statement.expression.getStart(source), ";__k.out = (");
      replace(valueEnd(statement.expression), valueEnd(statement.expression), ")");
      visit(statement.expression);
      continue;
    }
    if (
      (ts.isClassDeclaration(statement) || ts.isFunctionDeclaration(statement)) &&
      statement.name === undefined
    ) {
      const keyword = ts.getModifiers(statement)!.find(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword)!;
      replace(statement.getStart(source), keyword.end, ";__k.out = (");
      replace(statement.end, statement.end, ");");
      visit(statement);
      continue;
    }
    dropExport(statement);
    if (ts.isVariableStatement(statement)) relet(statement.declarationList);
    else if (ts.isClassDeclaration(statement)) declareClass(statement);
    else if (ts.isFunctionDeclaration(statement)) declareFunction(statement);
    if (statement === last && ts.isExpressionStatement(statement)) wrap(statement.expression, "__k.out = (");
    visit(statement);
  }
  const prefix = hoisted.map((name) => `let ${name} = __k.fn(${name}$$, "${name}"); ${name}$$ = undefined; `);
  if (prefix.length > 0) edits.unshift({ start: 0, end: 0, text: prefix.join("") });
  return { edits, needsEmit };
}
