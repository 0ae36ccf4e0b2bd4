/**
 * What a cell needs to run as a script of V8's REPL mode, as edits on its own text:
 *
 * - static and dynamic imports -> `__k.import(...)` (code of the inspector has no `import()`), `import.meta` -> `__k.meta`
 * - `await E` -> `await __k.w(E)` and `for await (x of E)` -> `... of __k.each(E)`: places where the stop button acts
 * - every top-level const, var, class and function -> `let`, so that any name can be declared again in any form;
 *   functions keep being hoisted: `function f$$() {}` in place, `let f = __k.fn(f$$, "f")` on the first line
 * - `export` dropped; the value of a last expression goes to `__k.out`
 *
 * The runtime half (`__k`) is in `kernel/child/cell-runtime.ts`.
 */
import ts from "typescript";
import { boundNames, hasModifier } from "./declarations.ts";
import type { Edit } from "./edits.ts";

const DECLARE = ts.SyntaxKind.DeclareKeyword;

/** Nothing of such a statement is left at run time. */
function isTypeOnly(statement: ts.Statement): boolean {
  return (
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement) ||
    hasModifier(statement, DECLARE) ||
    (ts.isFunctionDeclaration(statement) && statement.body === undefined) ||
    (ts.isImportEqualsDeclaration(statement) && statement.isTypeOnly)
  );
}

/** `let` clauses that bind what an import declaration names, from the namespace object in `module`. */
function bindings(clause: ts.ImportClause, module: string): string[] {
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

function importCode(statement: ts.ImportDeclaration): string {
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

/** Where the value of an expression ends: erasing puts a semicolon in the place of a type assertion behind it. */
function valueEnd(node: ts.Expression): number {
  if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) return valueEnd(node.expression);
  if (ts.isBinaryExpression(node)) return valueEnd(node.right);
  if (ts.isConditionalExpression(node)) return valueEnd(node.whenFalse);
  if (ts.isPrefixUnaryExpression(node)) return valueEnd(node.operand);
  if (ts.isAwaitExpression(node) || ts.isTypeOfExpression(node) || ts.isVoidExpression(node))
    return valueEnd(node.expression);
  if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) return valueEnd(node.body);
  return node.end;
}

export interface Rewriting {
  readonly edits: readonly Edit[];
  /** The cell needs the compiler's own emit: syntax that V8 does not know. */
  readonly needsEmit: boolean;
}

const scopeOf = (list: ts.VariableDeclarationList): ts.NodeFlags => list.flags & ts.NodeFlags.BlockScoped;

export function rewrite(source: ts.SourceFile): Rewriting {
  const edits: Edit[] = [];
  const hoisted: string[] = [];
  const declared = new Set<string>();
  let needsEmit = false;
  const replace = (start: number, end: number, text: string): void => {
    edits.push({ start, end, text });
  };
  const blank = (node: ts.Node): void => {
    replace(node.getStart(source), node.end, " ".repeat(node.end - node.getStart(source)));
  };
  const wrap = (node: ts.Expression, open: string): void => {
    replace(node.getStart(source), node.getStart(source), open);
    replace(valueEnd(node), valueEnd(node), ")");
  };

  const visit = (node: ts.Node): void => {
    if (ts.isAwaitExpression(node)) wrap(node.expression, "__k.w(");
    else if (ts.isForOfStatement(node) && node.awaitModifier !== undefined)
      wrap(node.expression, "__k.each(");
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      replace(node.expression.getStart(source), node.expression.end, "__k.import");
    else if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
      replace(node.getStart(source), node.end, "__k.meta");
    else if (ts.isVariableDeclarationList(node) && scopeOf(node) & ts.NodeFlags.Using) needsEmit = true; // V8 of Node 20 knows neither `using` nor `await using`.
    if (ts.canHaveDecorators(node) && (ts.getDecorators(node)?.length ?? 0) > 0) needsEmit = true;
    ts.forEachChild(node, visit);
  };

  /** `const x` and `var x` of the top level become `let x`; a second `var x` in one cell becomes an assignment. */
  const relet = (list: ts.VariableDeclarationList): void => {
    const names = list.declarations.flatMap((declaration) => boundNames(declaration.name));
    const start = list.getStart(source);
    if (scopeOf(list) === ts.NodeFlags.Const) {
      replace(start, start + "const".length, "let  ");
    } else if (scopeOf(list) === ts.NodeFlags.None) {
      replace(start, start + 3, names.some((name) => declared.has(name)) ? ";  " : "let");
    }
    for (const name of names) declared.add(name);
  };

  const dropExport = (statement: ts.Statement): void => {
    if (!ts.canHaveModifiers(statement)) return;
    for (const modifier of ts.getModifiers(statement) ?? [])
      if (modifier.kind === ts.SyntaxKind.ExportKeyword || modifier.kind === ts.SyntaxKind.DefaultKeyword)
        blank(modifier);
  };

  const declareClass = (statement: ts.ClassDeclaration): void => {
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

  const declareFunction = (statement: ts.FunctionDeclaration): void => {
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
    else if (
      (ts.isForStatement(statement) || ts.isForOfStatement(statement) || ts.isForInStatement(statement)) &&
      statement.initializer !== undefined &&
      ts.isVariableDeclarationList(statement.initializer)
    ) {
      const start = statement.initializer.getStart(source);
      if (scopeOf(statement.initializer) === ts.NodeFlags.None) replace(start, start + 3, "let");
    } else if (ts.isClassDeclaration(statement)) declareClass(statement);
    else if (ts.isFunctionDeclaration(statement)) declareFunction(statement);
    if (statement === last && ts.isExpressionStatement(statement)) wrap(statement.expression, "__k.out = (");
    visit(statement);
  }
  const prefix = hoisted.map((name) => `let ${name} = __k.fn(${name}$$, "${name}"); ${name}$$ = undefined; `);
  if (prefix.length > 0) edits.unshift({ start: 0, end: 0, text: prefix.join("") });
  return { edits, needsEmit };
}
