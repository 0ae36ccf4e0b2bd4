/** How large a tensor may be on this machine, and the error that says so before memory is asked for. */
import { totalmem } from "node:os";

/** Bytes of memory that this process may use: the machine's, or what its container was given. */
function memoryOfMachine(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
const limit = memoryOfMachine();

/** Bytes as GiB, with enough digits to tell sizes apart. */
export function gibibytes(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return `${gib >= 100 ? gib.toFixed(0) : Number(gib.toPrecision(3))} GiB`;
}

/** @throws RangeError when a tensor of so many bytes cannot fit this machine, whatever else is disposed of */
export function requireMemory(bytes: number, shape?: readonly number[]): void {
  if (bytes <= limit) return;
  throw new RangeError(
    `Cannot make a tensor${shape ? ` of shape [${shape}]` : ""} as it must fit into the memory of this machine, ${gibibytes(limit)}: got ${gibibytes(bytes)}. Use a smaller shape, or compute part by part.`,
  );
}
