import { expect } from "vitest";

type Values = Float32Array | Int32Array | Uint8Array;

/** Equality of the bytes: NaN equals itself, -0 differs from 0; fast on large arrays. */
export function expectSameBits(actual: Values, expected: Values): void {
  const bytes = (x: Values): Buffer => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
  if (bytes(actual).equals(bytes(expected))) return;
  expect([...actual]).toEqual([...expected]);
  expect.fail("values are equal, but not to the bit (signs of zero or payloads of NaN)");
}
