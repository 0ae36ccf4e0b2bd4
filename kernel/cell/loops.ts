/**
 * Loops of the top level at the speed of loops in a function. V8 keeps each variable of the session in a slot that any
 * code may look at; on Node 20 and 22 a number that is no small integer is boxed anew there at each assignment, which
 * takes six times as long as the rest of a short loop. So such a loop works on variables of its own:
 *
 *   { let s$in = s, $out = (s$out) => { s = s$out; };
 *     { let s = s$in; __k.loop = "$out(s)"; try { LOOP } finally { __k.loop = ""; $out(s); } } }
 *
 * The names stay, so the loop's text does; all of this goes on the lines that are there. What a thrown error leaves is
 * written back by `finally`, what the stop button leaves by the watchdog, which runs the text in `__k.loop` in the halted
 * frame (`kernel/child/halt.ts`).
 *
 * A variable that the loop only reads is copied in and not written back. All this only where nobody can look at the
 * variable while the loop runs:
 *
 * - it was declared above, in this or an earlier cell
 * - no function and no class of any cell mentions it; where the loop only reads it, none assigns it, and none in the loop
 *   mentions it
 * - the loop does not wait, and calls only what belongs to JavaScript or functions of cells of which the same holds
 * - no cell makes code out of text (`eval`, `Function`, `node:vm`)
 *
 * What is left are accessors of modules, and methods that they call as JavaScript calls its own, which read a variable of a
 * cell without having declared it; TypeScript does not let them. A variable whose cell failed before it was initialised is
 * missed when the loop begins, and not when the loop first uses it.
 */
import type TS from "typescript";
import { BUILTINS, type Calls, callsIn } from "./calls.ts";
import {
  boundNames,
  type Declaration,
  declarationsOf,
  functionScopedLists,
  identifiersIn,
} from "./declarations.ts";
import type { Edit } from "./edits.ts";
import { type Reference, referencesOf } from "./references.ts";
import ts from "./typescript.ts";

export interface Loops {
  /** Gives the loops of a cell variables of their own, where that makes no other difference than in time. */
  edits(source: TS.SourceFile): Edit[];
  /** The cell is about to run: what it declares and mentions counts for later ones. */
  commit(source: TS.SourceFile): void;
  /** All variables are gone. */
  reset(): void;
}

/** Names and texts by which a cell can make code that is not seen here. */
const MAKERS = new Set(["eval", "Function", "constructor", "vm", "node:vm", "inspector", "node:inspector"]);

function makesCode(source: TS.SourceFile): boolean {
  const visit = (node: TS.Node): boolean => {
    if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return false;
    if ((ts.isIdentifier(node) || ts.isStringLiteralLike(node)) && MAKERS.has(node.text)) return true;
    return ts.forEachChild(node, visit) ?? false;
  };
  return visit(source);
}

interface Facts {
  readonly references: readonly Reference[];
  readonly declarations: ReadonlyMap<string, Declaration>;
  /** Functions of the top level that keep their name. */
  readonly functions: ReadonlyMap<string, Calls>;
  readonly callsOf: (node: TS.Node) => Calls;
}

function factsOf(source: TS.SourceFile): Facts {
  const references = referencesOf(source);
  const starts = new Set(references.map(({ start }) => start));
  const callsOf = (node: TS.Node): Calls => callsIn(node, (name) => starts.has(name.getStart(source)));
  const functions = new Map<string, Calls>();
  for (const statement of source.statements) {
    if (ts.isFunctionDeclaration(statement) && statement.body !== undefined && statement.name !== undefined)
      functions.set(statement.name.text, callsOf(statement));
    if (ts.isVariableStatement(statement))
      for (const { name, initializer } of statement.declarationList.declarations)
        if (ts.isIdentifier(name) && initializer !== undefined && ts.isFunctionLike(initializer))
          functions.set(name.text, callsOf(initializer));
  }
  return { references, declarations: declarationsOf(source), functions, callsOf };
}

const isLoop = (node: TS.Node): node is TS.IterationStatement =>
  ts.isIterationStatement(node, /* lookInLabeledStatements */ false);

/** Names that are initialised when control comes to a loop. */
function declaredAbove(source: TS.SourceFile, start: number, end: number): Set<string> {
  const names = (list: TS.VariableDeclarationList): string[] =>
    list.declarations.flatMap(({ name }) => boundNames(name));
  const above = source.statements.flatMap((statement) =>
    ts.isVariableStatement(statement) && statement.end <= start ? names(statement.declarationList) : [],
  );
  const vars = functionScopedLists(source).filter((list) => list.pos < end);
  return new Set([...above, ...vars.flatMap(names)]);
}

/** Everything in front of and behind a loop that reads `names` and assigns those of `written`. */
function around(names: readonly string[], written: readonly string[]): { before: string; after: string } {
  const list = (of: readonly string[], form: (name: string) => string): string => of.map(form).join(", ");
  const entry = `{ let ${list(names, (name) => `${name}$in = ${name}`)}`;
  const own = `{ let ${list(names, (name) => `${name} = ${name}$in`)};`;
  if (written.length === 0) return { before: `${entry}; ${own} `, after: " } }" };
  const write = `$out(${written.join(", ")})`;
  const assign = written.map((name) => `${name} = ${name}$out;`).join(" ");
  return {
    before: `${entry}, $out = (${list(written, (name) => `${name}$out`)}) => { ${assign} }; ${own} __k.loop = "${write}"; try { `,
    after: ` } finally { __k.loop = ""; ${write}; } } }`,
  };
}

/** What is known of the cells of a session. */
interface Session {
  /** Declared by `let`, `var` or `const`. */
  readonly variables: Set<string>;
  readonly declared: Set<string>;
  /** Mentioned by a function or a class. */
  readonly captured: Set<string>;
  /** Assigned by a function or a class. */
  readonly changed: Set<string>;
  readonly assigned: Set<string>;
  readonly functions: Map<string, Calls>;
  readonly makesCode: boolean;
}

const NOTHING: Session = Object.freeze({
  variables: new Set<string>(),
  declared: new Set<string>(),
  captured: new Set<string>(),
  changed: new Set<string>(),
  assigned: new Set<string>(),
  functions: new Map<string, Calls>(),
  makesCode: false,
});

/** `session` after one more cell. */
function extended(session: Session, source: TS.SourceFile, facts: Facts): Session {
  const variables = new Set(session.variables);
  const declared = new Set(session.declared);
  const functions = new Map(session.functions);
  for (const [name, { kind }] of facts.declarations) {
    declared.add(name);
    functions.delete(name);
    if (kind !== "alias") variables.add(name);
    else variables.delete(name);
  }
  for (const [name, calls] of facts.functions) functions.set(name, calls);
  const adding = (to: Set<string>, which: (reference: Reference) => boolean): Set<string> =>
    new Set([...to, ...facts.references.filter(which).map(({ name }) => name)]);
  return {
    variables,
    declared,
    functions,
    captured: adding(session.captured, ({ isInClosure }) => isInClosure),
    changed: adding(session.changed, ({ isInClosure, isWritten }) => isInClosure && isWritten),
    assigned: adding(session.assigned, ({ isWritten }) => isWritten),
    makesCode: session.makesCode || makesCode(source),
  };
}

/** Calls nothing that could look at a variable of the session without naming it in a cell. */
function isClosed(calls: Calls, session: Session, seen = new Set<string>()): boolean {
  if (calls.isOpen) return false;
  return [...calls.names].every((name) => {
    if (session.assigned.has(name)) return false;
    if (seen.has(name) || (BUILTINS.has(name) && !session.declared.has(name))) return true;
    const body = session.functions.get(name);
    return body !== undefined && isClosed(body, session, seen.add(name));
  });
}

/** The statement of a loop, with its labels. */
const labelled = (node: TS.Node): TS.Node =>
  ts.isLabeledStatement(node.parent) ? labelled(node.parent) : node;

export function loops(): Loops {
  let session = NOTHING;
  return Object.freeze({
    edits(source: TS.SourceFile): Edit[] {
      const edits: Edit[] = [];
      const facts = factsOf(source);
      const present = extended(session, source, facts);
      if (present.makesCode) return [];
      const taken = identifiersIn(source);
      /** Whether there is nothing more to do for the loop and those in it. */
      const rewrite = (loop: TS.Node): boolean => {
        const start = labelled(loop).getStart(source);
        const above = declaredAbove(source, start, loop.end);
        const here = facts.references.filter(({ start: at }) => at >= start && at < loop.end);
        const written = new Set(here.filter(({ isWritten }) => isWritten).map(({ name }) => name));
        const kept = new Set(here.filter(({ isInClosure }) => isInClosure).map(({ name }) => name));
        const isOwn = (name: string): boolean =>
          present.variables.has(name) &&
          (facts.declarations.has(name) ? above.has(name) : session.variables.has(name)) &&
          !(written.has(name) ? present.captured.has(name) : present.changed.has(name) || kept.has(name)) &&
          !taken.has(`${name}$in`) &&
          !taken.has(`${name}$out`);
        const names = [...new Set(here.map(({ name }) => name))].filter(isOwn);
        if (names.length === 0) return true;
        if (taken.has("$out") || !isClosed(facts.callsOf(loop), present)) return false;
        const { before, after } = around(
          names,
          names.filter((name) => written.has(name)),
        );
        edits.push({ start, end: start, text: before }, { start: loop.end, end: loop.end, text: after });
        return true;
      };
      const visit = (node: TS.Node): void => {
        if (ts.isFunctionLike(node) || ts.isClassLike(node) || ts.isModuleDeclaration(node)) return;
        if (isLoop(node) && rewrite(node)) return;
        ts.forEachChild(node, visit);
      };
      visit(source);
      return edits;
    },
    commit(source: TS.SourceFile): void {
      session = extended(session, source, factsOf(source));
    },
    reset(): void {
      session = NOTHING;
    },
  });
}
