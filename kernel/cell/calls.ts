/**
 * What a piece of code calls, told by its syntax: functions of JavaScript itself, functions by the name of the session
 * they have, or something else, which may be anything.
 */
import type TS from "typescript";
import { isBeyondNode } from "./emit.ts";
import ts from "./typescript.ts";

export interface Calls {
  /** It calls, or waits for, what is not known here. */
  readonly isOpen: boolean;
  /** Functions called by name, builtins included. */
  readonly names: ReadonlySet<string>;
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/));

/** `Math.sqrt(x)`, `Number.isInteger(x)`: objects whose functions belong to JavaScript, or to Node as these do. */
const OBJECTS = words("Math Number String BigInt Array Object JSON Date Atomics performance console");

export const BUILTINS = words(
  "Number String Boolean BigInt Array Object Date Map Set Error TypeError RangeError parseInt parseFloat isNaN isFinite " +
    "ArrayBuffer DataView Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array " +
    "Float32Array Float64Array BigInt64Array BigUint64Array Math JSON Atomics performance console",
);

/** Methods of arrays, strings, numbers, maps and sets that call nothing of what they are given. */
const METHODS = words(
  "at push pop shift unshift slice splice subarray fill join concat reverse indexOf lastIndexOf includes keys values entries " +
    "charAt charCodeAt codePointAt startsWith endsWith padStart padEnd repeat split substring toLowerCase toUpperCase trim " +
    "toString toFixed toPrecision get set has add delete clear",
);
/** Functions that may call their arguments: known only where these are written out. */
const CALLERS = words("map filter reduce forEach some every find findIndex sort from");
const CALLING_OBJECTS = words("Array Object JSON");

function bare(node: TS.Expression): TS.Expression {
  return ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || ts.isAsExpression(node)
    ? bare(node.expression)
    : node;
}

/** None of them can be a function that is not seen here. */
const areSeen = (given: readonly TS.Expression[]): boolean =>
  given.every(
    (argument) =>
      !ts.isSpreadElement(argument) &&
      (ts.isFunctionLike(argument) ||
        ts.isLiteralExpression(argument) ||
        ts.isObjectLiteralExpression(argument)),
  );

/** `isSession`: whether an identifier stands for a name of the session or a global, and not for one of its function. */
export function callsIn(root: TS.Node, isSession: (node: TS.Identifier) => boolean): Calls {
  const names = new Set<string>();
  let isOpen = false;
  const called = (node: TS.CallExpression): void => {
    const callee = bare(node.expression);
    if (ts.isIdentifier(callee) && isSession(callee)) names.add(callee.text);
    else if (ts.isPropertyAccessExpression(callee)) {
      const { expression, name } = callee;
      if (ts.isIdentifier(expression) && isSession(expression) && OBJECTS.has(expression.text)) {
        names.add(expression.text);
        isOpen ||= CALLING_OBJECTS.has(expression.text) && !areSeen(node.arguments.slice(1));
      } else if (CALLERS.has(name.text)) isOpen ||= !areSeen(node.arguments.slice(0, 1));
      else isOpen ||= !METHODS.has(name.text);
    } else isOpen = true;
  };
  const visit = (node: TS.Node, isInClosure: boolean): void => {
    if (ts.isCallExpression(node)) called(node);
    else if (ts.isNewExpression(node)) {
      const callee = bare(node.expression);
      if (ts.isIdentifier(callee) && isSession(callee) && BUILTINS.has(callee.text)) names.add(callee.text);
      else isOpen = true;
    } else if (ts.isTaggedTemplateExpression(node) || ts.isWithStatement(node) || isBeyondNode(node))
      isOpen = true;
    else if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined))
      isOpen ||= !isInClosure;
    ts.forEachChild(node, (child) => visit(child, isInClosure || ts.isFunctionLike(node)));
  };
  visit(root, false);
  return { isOpen, names };
}
