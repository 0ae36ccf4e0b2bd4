/** Number formats of safetensors files, and their conversion to what tensors hold (float32, int32, bool). */

/** Bytes of an element, by the name the format gives it, in the reference implementation's order of formats. */
export const ELEMENT_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

export type Dtype = keyof typeof ELEMENT_BYTES;

/** What a tensor of this format becomes. */
export function tensorDtype(dtype: Dtype): "float32" | "int32" | "bool" {
  if (dtype === "BOOL") return "bool";
  return dtype.startsWith("F") || dtype.startsWith("B") ? "float32" : "int32";
}

/** One float of `exponent` and `mantissa` bits; e4m3 ("fn") has no infinity, and one NaN at the top. */
function decodeSmall(bits: number, exponent: number, mantissa: number, finite: boolean): number {
  const sign = bits >> (exponent + mantissa) ? -1 : 1;
  const e = (bits >> mantissa) & ((1 << exponent) - 1);
  const m = bits & ((1 << mantissa) - 1);
  const bias = (1 << (exponent - 1)) - 1;
  const top = (1 << exponent) - 1;
  if (e === top && finite && m === (1 << mantissa) - 1) return Number.NaN;
  if (e === top && !finite) return m === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (e === 0) return sign * m * 2 ** (1 - bias - mantissa);
  return sign * (1 + m / (1 << mantissa)) * 2 ** (e - bias);
}

const tables = new Map<Dtype, Float32Array>();

function tableOf(dtype: "F8_E4M3" | "F8_E5M2" | "F16"): Float32Array {
  let table = tables.get(dtype);
  if (table === undefined) {
    const [exponent, mantissa] = { F8_E4M3: [4, 3], F8_E5M2: [5, 2], F16: [5, 10] }[dtype] as [
      number,
      number,
    ];
    const size = 1 << (1 + exponent + mantissa);
    table = Float32Array.from({ length: size }, (_, i) =>
      decodeSmall(i, exponent, mantissa, dtype === "F8_E4M3"),
    );
    tables.set(dtype, table);
  }
  return table;
}

function integers(values: BigInt64Array | BigUint64Array, name: string): Int32Array {
  const out = new Int32Array(values.length);
  for (const [i, value] of values.entries()) {
    out[i] = Number(value);
    if (BigInt(out[i]!) !== value) {
      throw new RangeError(
        `Cannot read ${name} as its values must fit int32: got ${value} at ${i}. Read the bytes with raw() instead.`,
      );
    }
  }
  return out;
}

/** Elements from little-endian bytes, as the values of a tensor. `name` is for the error of integers beyond int32. */
export function decode(
  bytes: Uint8Array,
  dtype: Dtype,
  name: string,
): Float32Array | Int32Array | Uint8Array {
  // A copy that begins at an aligned address, whatever the place in the file.
  const { buffer } = bytes.slice();
  switch (dtype) {
    case "BOOL":
      return new Uint8Array(buffer);
    case "F32":
      return new Float32Array(buffer);
    case "F64":
      return Float32Array.from(new Float64Array(buffer));
    case "BF16": {
      const half = new Uint16Array(buffer);
      const out = new Uint32Array(half.length);
      for (let i = 0; i < half.length; i++) out[i] = half[i]! << 16;
      return new Float32Array(out.buffer);
    }
    case "F16": {
      const table = tableOf(dtype);
      const half = new Uint16Array(buffer);
      const out = new Float32Array(half.length);
      for (let i = 0; i < half.length; i++) out[i] = table[half[i]!]!;
      return out;
    }
    case "F8_E4M3":
    case "F8_E5M2": {
      const table = tableOf(dtype);
      return Float32Array.from(new Uint8Array(buffer), (bits) => table[bits]!);
    }
    case "I32":
      return new Int32Array(buffer);
    case "I8":
      return Int32Array.from(new Int8Array(buffer));
    case "U8":
      return Int32Array.from(new Uint8Array(buffer));
    case "I16":
      return Int32Array.from(new Int16Array(buffer));
    case "U16":
      return Int32Array.from(new Uint16Array(buffer));
    case "U32":
      return integers(BigInt64Array.from(new Uint32Array(buffer), BigInt), name);
    case "I64":
      return integers(new BigInt64Array(buffer), name);
    case "U64":
      return integers(new BigUint64Array(buffer), name);
  }
}

/** float32 to bfloat16, nearest even; NaN stays NaN. */
function toBf16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (x, i) =>
    Number.isNaN(values[i]) ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16,
  );
}

/** float32 to IEEE half, nearest even, overflow to infinity. */
function toF16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (x, i) => {
    const sign = (x >>> 16) & 0x8000;
    const size = Math.abs(values[i]!);
    if (Number.isNaN(size)) return sign | 0x7e00;
    if (size >= 65520) return sign | 0x7c00;
    // Multiples of the smallest subnormal; doubles hold them exactly, so only this rounding happens.
    if (size < 2 ** -14) return sign | roundEven(size * 2 ** 24);
    const exponent = ((x >>> 23) & 255) - 127;
    return sign | (((exponent + 14) << 10) + roundEven(size * 2 ** (10 - exponent)));
  });
}

function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest > 0.5 ? floor + 1 : floor;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Little-endian bytes of float values in a float format. */
export function encodeFloats(values: Float32Array, dtype: "F32" | "F16" | "BF16"): Uint8Array {
  const data = dtype === "F32" ? values : dtype === "F16" ? toF16(values) : toBf16(values);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
