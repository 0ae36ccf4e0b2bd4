/** The names that the top level of a cell declares, and how later cells see them. */
import type TS from "typescript";
import ts from "./typescript.ts";

/** `constant` and `variable` are seen through `typeof`; `alias` (classes, functions, types, imports) through an import. */
export type DeclarationKind = "constant" | "variable" | "alias";

export interface Declaration {
  readonly kind: DeclarationKind;
  /** The cell itself says `export` in front of it. */
  readonly exported: boolean;
}

/** All identifiers that a binding pattern introduces. */
export function boundNames(name: TS.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) => (ts.isBindingElement(element) ? boundNames(element.name) : []));
}

export const hasModifier = (node: TS.Node, kind: TS.SyntaxKind): boolean =>
  ts.canHaveModifiers(node) && (ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false);

export const isBlockScoped = (list: TS.VariableDeclarationList): boolean =>
  (list.flags & ts.NodeFlags.BlockScoped) !== 0;

/** All `var` of the top level's own scope: in blocks and loop heads too, in functions and namespaces not. */
export function functionScopedLists(source: TS.SourceFile): TS.VariableDeclarationList[] {
  const found: TS.VariableDeclarationList[] = [];
  const visit = (node: TS.Node): void => {
    if (ts.isFunctionLike(node) || ts.isClassLike(node) || ts.isModuleDeclaration(node)) return;
    if (ts.isVariableStatement(node) && hasModifier(node, ts.SyntaxKind.DeclareKeyword)) return;
    if (ts.isVariableDeclarationList(node) && !isBlockScoped(node)) found.push(node);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

export function declarationsOf(source: TS.SourceFile): Map<string, Declaration> {
  const found = new Map<string, Declaration>();
  const add = (name: string, kind: DeclarationKind, exported: boolean): void => {
    const before = found.get(name);
    found.set(name, { kind: before?.kind ?? kind, exported: exported || (before?.exported ?? false) });
  };
  const listed = new Set<string>();
  for (const statement of source.statements) {
    const exported = hasModifier(statement, ts.SyntaxKind.ExportKeyword);
    if (ts.isVariableStatement(statement)) {
      const kind = statement.declarationList.flags & ts.NodeFlags.Const ? "constant" : "variable";
      for (const declaration of statement.declarationList.declarations)
        for (const name of boundNames(declaration.name)) add(name, kind, exported);
    } else if (ts.isExportDeclaration(statement)) {
      const { exportClause, moduleSpecifier } = statement;
      if (moduleSpecifier === undefined && exportClause !== undefined && ts.isNamedExports(exportClause))
        for (const { name, propertyName } of exportClause.elements)
          if ((propertyName ?? name).text === name.text) listed.add(name.text);
    } else if (
      (ts.isFunctionDeclaration(statement) ||
        ts.isClassDeclaration(statement) ||
        ts.isInterfaceDeclaration(statement) ||
        ts.isTypeAliasDeclaration(statement) ||
        ts.isEnumDeclaration(statement) ||
        ts.isModuleDeclaration(statement)) &&
      statement.name !== undefined &&
      ts.isIdentifier(statement.name) &&
      !(statement.flags & ts.NodeFlags.GlobalAugmentation)
    ) {
      add(statement.name.text, "alias", exported);
    } else if (ts.isImportEqualsDeclaration(statement)) {
      add(statement.name.text, "alias", exported);
    } else if (ts.isImportDeclaration(statement) && statement.importClause !== undefined) {
      const { name, namedBindings } = statement.importClause;
      if (name !== undefined) add(name.text, "alias", false);
      if (namedBindings !== undefined && ts.isNamespaceImport(namedBindings))
        add(namedBindings.name.text, "alias", false);
      else if (namedBindings !== undefined)
        for (const element of namedBindings.elements) add(element.name.text, "alias", false);
    }
  }
  for (const list of functionScopedLists(source))
    for (const { name } of list.declarations)
      for (const bound of boundNames(name)) add(bound, "variable", false);
  for (const name of listed) {
    const declaration = found.get(name);
    if (declaration !== undefined) found.set(name, { ...declaration, exported: true });
  }
  return found;
}

/** Every identifier that occurs in the text of a cell, as a cheap over-estimate of what it refers to. */
export function identifiersIn(source: TS.SourceFile): Set<string> {
  const found = new Set<string>();
  const visit = (node: TS.Node): void => {
    if (ts.isIdentifier(node)) found.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
