/**
 * Which names of the session the code of a cell refers to: all that nothing beneath the top level binds, with what is
 * done to them. Types are left out.
 */
import type TS from "typescript";
import { boundNames, hasModifier, isBlockScoped } from "./declarations.ts";
import ts from "./typescript.ts";

export interface Reference {
  readonly name: string;
  readonly start: number;
  /** Assigned, counted up or down, a target of destructuring or of a loop's head, or declared by `var`. */
  readonly isWritten: boolean;
  /** In a function or a class, which may run at any time. */
  readonly isInClosure: boolean;
}

/** `var` of a function's own scope; functions inside have theirs. */
function varNames(body: TS.Node): string[] {
  const found: string[] = [];
  const visit = (node: TS.Node): void => {
    if (ts.isFunctionLike(node) || ts.isClassLike(node)) return;
    if (ts.isVariableDeclarationList(node) && !isBlockScoped(node))
      found.push(...node.declarations.flatMap(({ name }) => boundNames(name)));
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(body, visit);
  return found;
}

const listNames = (list: TS.VariableDeclarationList): string[] =>
  isBlockScoped(list) ? list.declarations.flatMap(({ name }) => boundNames(name)) : [];

function statementNames(statements: readonly TS.Statement[]): string[] {
  return statements.flatMap((statement) => {
    if (ts.isVariableStatement(statement)) return listNames(statement.declarationList);
    const isNamed =
      ts.isFunctionDeclaration(statement) ||
      ts.isClassDeclaration(statement) ||
      ts.isEnumDeclaration(statement) ||
      ts.isModuleDeclaration(statement);
    return isNamed && statement.name !== undefined && ts.isIdentifier(statement.name)
      ? [statement.name.text]
      : [];
  });
}

const isFunctionScope = (node: TS.Node): boolean =>
  ts.isFunctionLike(node) || ts.isClassStaticBlockDeclaration(node) || ts.isModuleDeclaration(node);

/** Names that a node binds for what it holds; `null` where it is no scope. */
function scopeOf(node: TS.Node): readonly string[] | null {
  if (ts.isFunctionLike(node)) {
    const parameters = node.parameters.flatMap(({ name }) => boundNames(name as TS.BindingName));
    const own = ts.isFunctionExpression(node) && node.name !== undefined ? [node.name.text] : [];
    return [...parameters, ...own, ...varNames(node)];
  }
  if (ts.isClassStaticBlockDeclaration(node)) return varNames(node);
  if (ts.isModuleDeclaration(node)) return varNames(node);
  if (ts.isClassLike(node)) return node.name === undefined ? null : [node.name.text];
  if (ts.isEnumDeclaration(node))
    return node.members.flatMap(({ name }) => (ts.isIdentifier(name) ? [name.text] : []));
  if (ts.isBlock(node) || ts.isModuleBlock(node)) return statementNames(node.statements);
  if (ts.isCaseBlock(node)) return node.clauses.flatMap(({ statements }) => statementNames(statements));
  if (ts.isForStatement(node) || ts.isForInStatement(node) || ts.isForOfStatement(node)) {
    const { initializer } = node;
    return initializer !== undefined && ts.isVariableDeclarationList(initializer)
      ? listNames(initializer)
      : null;
  }
  if (ts.isCatchClause(node))
    return node.variableDeclaration === undefined ? null : boundNames(node.variableDeclaration.name);
  return null;
}

/** Nothing of it is left at run time. */
function isErased(node: TS.Node): boolean {
  if (ts.isExpressionWithTypeArguments(node)) return false;
  return (
    ts.isTypeNode(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isTypeParameterDeclaration(node) ||
    ts.isImportDeclaration(node) ||
    (ts.isStatement(node) && hasModifier(node, ts.SyntaxKind.DeclareKeyword))
  );
}

/** An identifier that stands for a value, and not for a property, a label or a declaration. */
function isValue(node: TS.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) || ts.isMetaProperty(parent)) return parent.name !== node;
  if (ts.isShorthandPropertyAssignment(parent)) return true;
  if (ts.isBindingElement(parent)) return parent.initializer === node;
  if (ts.isVariableDeclaration(parent) || ts.isParameter(parent)) return parent.initializer === node;
  if (ts.isPropertyAssignment(parent) || ts.isPropertyDeclaration(parent) || ts.isEnumMember(parent))
    return parent.name !== node;
  if (ts.isLabeledStatement(parent) || ts.isBreakOrContinueStatement(parent)) return false;
  const isName = ts.isFunctionLike(parent) || ts.isClassLike(parent) || ts.isEnumDeclaration(parent);
  return !(isName || ts.isModuleDeclaration(parent)) || parent.name !== node;
}

/** `x = ...`, `x++`, `[x] = ...`, `for (x of ...)`. */
export function isAssigned(node: TS.Node): boolean {
  const { parent } = node;
  if (ts.isBinaryExpression(parent)) {
    const { kind } = parent.operatorToken;
    const assigns = kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
    return parent.left === node && assigns;
  }
  if (ts.isPrefixUnaryExpression(parent) || ts.isPostfixUnaryExpression(parent))
    return (
      parent.operator === ts.SyntaxKind.PlusPlusToken || parent.operator === ts.SyntaxKind.MinusMinusToken
    );
  if (ts.isForInStatement(parent) || ts.isForOfStatement(parent)) return parent.initializer === node;
  const isPattern =
    ts.isArrayLiteralExpression(parent) ||
    ts.isObjectLiteralExpression(parent) ||
    ts.isSpreadElement(parent) ||
    ts.isSpreadAssignment(parent) ||
    ts.isShorthandPropertyAssignment(parent) ||
    (ts.isPropertyAssignment(parent) && parent.initializer === node) ||
    ts.isParenthesizedExpression(parent) ||
    ts.isAsExpression(parent) ||
    ts.isSatisfiesExpression(parent) ||
    ts.isNonNullExpression(parent) ||
    ts.isTypeAssertionExpression(parent);
  return isPattern && isAssigned(parent);
}

/** All references to names of the session, in the order of the text. */
export function referencesOf(source: TS.SourceFile): Reference[] {
  const found: Reference[] = [];
  const visit = (node: TS.Node, scopes: readonly ReadonlySet<string>[], isInClosure: boolean): void => {
    const isFree = (name: string): boolean => !scopes.some((scope) => scope.has(name));
    const add = (name: string, start: number, isWritten: boolean): void => {
      if (isFree(name)) found.push({ name, start, isWritten, isInClosure });
    };
    if (isErased(node)) return;
    if (ts.isIdentifier(node)) {
      if (isValue(node)) add(node.text, node.getStart(source), isAssigned(node));
      return;
    }
    if (ts.isVariableDeclarationList(node) && !isBlockScoped(node))
      for (const declaration of node.declarations)
        for (const name of boundNames(declaration.name)) add(name, declaration.getStart(source), true);
    const names = scopeOf(node);
    const inner = names === null ? scopes : [...scopes, new Set(names)];
    const isClosure = isFunctionScope(node) || ts.isClassLike(node);
    ts.forEachChild(node, (child) => visit(child, inner, isInClosure || isClosure));
  };
  for (const statement of source.statements) visit(statement, [], false);
  return found;
}
