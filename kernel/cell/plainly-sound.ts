/**
 * Cells that cannot hold a type error, told by their syntax: literals, arithmetic on numbers, and the bare name of a
 * variable. Looking at a value is the most frequent cell, and asking the type service takes ten times as long as it.
 */
import type TS from "typescript";
import { parseCell } from "./parse.ts";
import ts from "./typescript.ts";

const ARITHMETIC = new Set([
  ts.SyntaxKind.PlusToken,
  ts.SyntaxKind.MinusToken,
  ts.SyntaxKind.AsteriskToken,
  ts.SyntaxKind.SlashToken,
  ts.SyntaxKind.PercentToken,
]);

/** Longer cells are never of this kind. */
const LONGEST = 200;

function isNumber(node: TS.Expression): boolean {
  if (ts.isParenthesizedExpression(node)) return isNumber(node.expression);
  if (ts.isBinaryExpression(node))
    return ARITHMETIC.has(node.operatorToken.kind) && isNumber(node.left) && isNumber(node.right);
  return ts.isNumericLiteral(node);
}

export function isPlainlySound(code: string, isKnown: (name: string) => boolean): boolean {
  if (code.length > LONGEST) return false;
  return parseCell(code).source.statements.every((statement) => {
    if (!ts.isExpressionStatement(statement)) return false;
    const { expression } = statement;
    return (
      isNumber(expression) ||
      ts.isStringLiteralLike(expression) ||
      (ts.isIdentifier(expression) && isKnown(expression.text))
    );
  });
}
