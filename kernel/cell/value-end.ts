/** Where something can be put behind the value of an expression. */
import type TS from "typescript";
import ts from "./typescript.ts";

/** The end of the value: erasing puts a semicolon in the place of a type assertion behind it. */
export function valueEnd(node: TS.Expression): number {
  if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) return valueEnd(node.expression);
  if (ts.isBinaryExpression(node)) return valueEnd(node.right);
  if (ts.isConditionalExpression(node)) return valueEnd(node.whenFalse);
  if (ts.isPrefixUnaryExpression(node)) return valueEnd(node.operand);
  if (ts.isAwaitExpression(node) || ts.isTypeOfExpression(node) || ts.isVoidExpression(node))
    return valueEnd(node.expression);
  if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) return valueEnd(node.body);
  return node.end;
}
