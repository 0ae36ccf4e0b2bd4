/**
 * The import that a cell lacks. A name that is not there is mostly one of a module that earlier cells imported from, or
 * of this package: the error then says so.
 */
import type TS from "typescript";
import { packageName } from "../package-root.ts";
import ts from "./typescript.ts";

/** Cannot find a name, a namespace, a name but one like it, the value of a shorthand property. */
const MISSING = new Set([2304, 2503, 2552, 18004]);

/** Names that a module exports, and whether each is a value (else only a type). */
export type ModuleExports = ReadonlyMap<string, boolean>;

export interface MissingImports {
  /** Notes where a cell that ran imported from. */
  noteModules(source: TS.SourceFile): void;
  /** What to add to the error about `name`: a sentence with the import, or nothing. */
  remedy(code: number, name: string): string;
  /** Forgets what cells imported. */
  reset(): void;
}

export function missingImports(exportsOf: (module: string) => ModuleExports): MissingImports {
  /** The latest last. */
  const imported = new Set<string>();
  return Object.freeze({
    noteModules(source: TS.SourceFile): void {
      for (const statement of source.statements) {
        if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
        const module = statement.moduleSpecifier.text;
        imported.delete(module);
        imported.add(module);
      }
    },
    remedy(code: number, name: string): string {
      if (!MISSING.has(code)) return "";
      for (const module of [...imported].reverse().concat(packageName)) {
        const isValue = exportsOf(module).get(name);
        if (isValue !== undefined)
          return ` Import it first: import { ${isValue ? "" : "type "}${name} } from "${module}";`;
      }
      return "";
    },
    reset: () => imported.clear(),
  });
}

/** The exports of the one module that `file` imports, with `import * as name from "module"`. */
export function exportsThrough(program: TS.Program, file: string): ModuleExports {
  const found = new Map<string, boolean>();
  const checker = program.getTypeChecker();
  const statement = program.getSourceFile(file)?.statements[0];
  if (statement === undefined || !ts.isImportDeclaration(statement)) return found;
  const module = checker.getSymbolAtLocation(statement.moduleSpecifier);
  const bindings = statement.importClause?.namedBindings;
  if (module === undefined || bindings === undefined || !ts.isNamespaceImport(bindings)) return found;
  for (const { name } of checker.getExportsOfModule(module)) found.set(name, false);
  // Values are those of the namespace object, as a module may also export one object whole (`export =`).
  for (const { name } of checker.getPropertiesOfType(checker.getTypeAtLocation(bindings.name)))
    found.set(name, true);
  for (const name of ["default", "export="]) found.delete(name);
  return found;
}
