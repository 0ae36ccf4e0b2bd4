/**
 * Parameters of a notebook by papermill's rule: the code cell tagged `parameters` holds the defaults as
 * `const name = literal` or `let name: Type = literal`; given values go into a cell tagged `injected-parameters`
 * right after it, where they redeclare the names. Unlike papermill, a name that the notebook does not declare and a
 * value of another kind than the default are errors: a misspelt parameter would silently run the default.
 */
import type ts from "typescript";
import {
  type Cell,
  type CodeCell,
  codeCell,
  freshCellId,
  isCodeCell,
  isJsonObject,
  type Json,
  type Notebook,
  tagsOf,
} from "./notebook.ts";

export interface Parameter {
  readonly name: string;
  readonly keyword: "const" | "let";
  readonly defaultValue: Json;
  /** The declared type as written, if any. */
  readonly type?: string;
}

/** The parameters that a notebook declares; empty when no cell is tagged `parameters`. */
export async function readParameters(notebook: Notebook): Promise<Parameter[]> {
  const cell = taggedCell(notebook, "parameters");
  return cell === undefined ? [] : declaredIn(cell.source, await import("typescript"));
}

/**
 * A copy of the notebook in which `values` override the defaults. With `areText: true` the values are strings from
 * a command line and are read by the kind of each default. No values = the notebook as it is, without an injected
 * cell from an earlier run.
 */
export async function injectParameters(
  notebook: Notebook,
  values: { readonly [name: string]: Json },
  { areText = false }: { readonly areText?: boolean } = {},
): Promise<Notebook> {
  const names = Object.keys(values);
  const cells = notebook.cells.filter((cell) => !tagsOf(cell).includes("injected-parameters"));
  if (names.length === 0) return { ...notebook, cells };

  const declared = await readParameters(notebook);
  const known = declared.map((parameter) => parameter.name).join(", ");
  const lines = names.map((name) => {
    const parameter = declared.find((candidate) => candidate.name === name);
    if (parameter === undefined)
      throw new RangeError(
        declared.length === 0
          ? `Cannot set the parameter "${name}": the notebook declares none. Tag the cell that holds the defaults with "parameters".`
          : `Cannot set the parameter "${name}": the notebook does not declare it. Known parameters: ${known}.`,
      );
    const given = values[name]!;
    const value = areText && typeof given === "string" ? fromText(given, parameter) : given;
    requireKind(value, parameter);
    const type = parameter.type === undefined ? "" : `: ${parameter.type}`;
    return `${parameter.keyword} ${name}${type} = ${literal(value)};`;
  });

  const injected: CodeCell = codeCell(["// Parameters", ...lines].join("\n"), {
    metadata: { tags: ["injected-parameters"] },
  });
  injected.id = freshCellId(injected, new Set(cells.map((cell) => cell.id)));
  const after = cells.findIndex((cell) => tagsOf(cell).includes("parameters"));
  return { ...notebook, cells: [...cells.slice(0, after + 1), injected, ...cells.slice(after + 1)] };
}

/** `["steps=20", "prompt=a red ball"]` -> `{ steps: "20", prompt: "a red ball" }`. */
export function parseAssignments(assignments: readonly string[]): { [name: string]: string } {
  return Object.fromEntries(
    assignments.map((assignment) => {
      const [, name, value] = /^([\p{ID_Start}$_][\p{ID_Continue}$]*)=(.*)$/su.exec(assignment) ?? [];
      if (name === undefined || value === undefined)
        throw new RangeError(
          `Cannot read the parameter ${JSON.stringify(assignment)} as name=value. Write e.g. steps=20.`,
        );
      return [name, value];
    }),
  );
}

function taggedCell(notebook: Notebook, tag: string): CodeCell | undefined {
  return notebook.cells.find(
    (cell: Cell): cell is CodeCell => isCodeCell(cell) && tagsOf(cell).includes(tag),
  );
}

/** Top-level declarations with a literal value, in order; others (computed values, functions) are not parameters. */
function declaredIn(source: string, typescript: typeof ts): Parameter[] {
  const file = typescript.createSourceFile("parameters.ts", source, typescript.ScriptTarget.ES2022, true);
  const found = new Map<string, Parameter>();
  for (const statement of file.statements) {
    if (!typescript.isVariableStatement(statement)) continue;
    const isConst = (statement.declarationList.flags & typescript.NodeFlags.Const) !== 0;
    for (const declaration of statement.declarationList.declarations) {
      if (!typescript.isIdentifier(declaration.name) || declaration.initializer === undefined) continue;
      const value = literalValue(declaration.initializer, typescript);
      if (value === undefined) continue;
      const name = declaration.name.text;
      const type = declaration.type?.getText(file);
      const keyword = isConst ? "const" : "let";
      found.set(name, { name, keyword, defaultValue: value, ...(type === undefined ? {} : { type }) });
    }
  }
  return [...found.values()];
}

/** The JSON value of a literal expression, or undefined for anything that must be computed. */
function literalValue(node: ts.Expression, typescript: typeof ts): Json | undefined {
  if (
    typescript.isParenthesizedExpression(node) ||
    typescript.isAsExpression(node) ||
    typescript.isSatisfiesExpression(node)
  )
    return literalValue(node.expression, typescript);
  if (typescript.isStringLiteralLike(node)) return node.text;
  if (typescript.isNumericLiteral(node)) return Number(node.text.replaceAll("_", ""));
  if (typescript.isPrefixUnaryExpression(node)) {
    const value = literalValue(node.operand, typescript);
    if (typeof value !== "number") return undefined;
    if (node.operator === typescript.SyntaxKind.MinusToken) return -value;
    return node.operator === typescript.SyntaxKind.PlusToken ? value : undefined;
  }
  if (node.kind === typescript.SyntaxKind.TrueKeyword) return true;
  if (node.kind === typescript.SyntaxKind.FalseKeyword) return false;
  if (node.kind === typescript.SyntaxKind.NullKeyword) return null;
  if (typescript.isArrayLiteralExpression(node)) {
    const items = node.elements.map((element) => literalValue(element, typescript));
    return items.every((item) => item !== undefined) ? items : undefined;
  }
  if (typescript.isObjectLiteralExpression(node)) {
    const members: [string, Json][] = [];
    for (const property of node.properties) {
      if (!typescript.isPropertyAssignment(property) || typescript.isComputedPropertyName(property.name))
        return undefined;
      const value = literalValue(property.initializer, typescript);
      if (value === undefined) return undefined;
      members.push([property.name.text, value]);
    }
    return Object.fromEntries(members);
  }
  return undefined;
}

function kindOf(value: Json): string {
  return value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
}

/** Where the notebook states a type, the type check of the cell decides; otherwise the default's kind does. */
function requireKind(value: Json, { name, type, defaultValue }: Parameter): void {
  const expected = kindOf(defaultValue);
  if (type !== undefined || expected === "null" || kindOf(value) === expected) return;
  throw new TypeError(
    `Cannot set the parameter "${name}" as its default ${literal(defaultValue)} is of kind ${expected}: ` +
      `got ${literal(value)}. Give a value of that kind, or declare a wider type in the notebook.`,
  );
}

function fromText(text: string, { name, type, defaultValue }: Parameter): Json {
  const expected = kindOf(defaultValue);
  if (expected === "string" && (type === undefined || type === "string")) return text;
  if (expected === "number") {
    const value = Number(text.replaceAll("_", ""));
    if (text.trim() !== "" && Number.isFinite(value)) return value;
  }
  try {
    const value: Json = JSON.parse(text);
    if (kindOf(value) === expected || type !== undefined || expected === "null") return value;
  } catch {
    if (type !== undefined || expected === "null") return text;
  }
  throw new TypeError(
    `Cannot set the parameter "${name}" as its default ${literal(defaultValue)} is of kind ${expected}: ` +
      `got ${JSON.stringify(text)}. ${expected === "array" || expected === "object" ? "Write it as JSON" : `Give a ${expected}`}.`,
  );
}

/** JSON is TypeScript, with `__proto__` as the one trap: quoted it would set the prototype. */
function literal(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, member]) => `${key === "__proto__" ? '["__proto__"]' : JSON.stringify(key)}: ${literal(member)}`,
  );
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}
