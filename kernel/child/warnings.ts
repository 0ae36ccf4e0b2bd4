/**
 * What code warns of (`process.emitWarning`), on the standard error of the cell: Node's own printing, which also tells of
 * the experiments that the kernel itself is built on, is off in this process. A text comes once a cell.
 */
import { outputParent } from "./channel.ts";

/** Of libraries and of Node, which the author of a cell can do nothing about. */
const FOR_OTHERS: ReadonlySet<string> = new Set(["DeprecationWarning", "ExperimentalWarning"]);

let cell = "";
let shown = new Set<string>();

export function showWarning({ name, message }: Error): void {
  if (FOR_OTHERS.has(name)) return;
  if (cell !== outputParent()) {
    cell = outputParent();
    shown = new Set();
  }
  const text = `${name}: ${message}\n`;
  if (shown.has(text)) return;
  shown.add(text);
  process.stderr.write(text);
}
