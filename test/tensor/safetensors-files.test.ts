/** Files of the Python library, files that are broken, and files that are random. */
import { execFileSync } from "node:child_process";
import { copyFile, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  openSafetensors,
  type RawTensor,
  readSafetensors,
  SafetensorsError,
  tf,
  useDevice,
  writeSafetensors,
} from "../../src/index.ts";
import { packageRoot } from "../../src/tensor/package-root.ts";
import { type Dtype, ELEMENT_BYTES } from "../../src/tensor/safetensors-dtype.ts";
import { skipOrFail } from "../kernel/skip-or-fail.ts";

const fixture = join(packageRoot, "test/fixtures/safetensors/python.safetensors");
let folder: string;
beforeAll(async () => {
  await useDevice("cpu");
  folder = await mkdtemp(join(tmpdir(), "safetensors-files-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Header text (or bytes) and data as a file. */
function fileOf(
  header: string | Uint8Array,
  data: Uint8Array = new Uint8Array(0),
  length?: bigint,
): Uint8Array {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const out = new Uint8Array(8 + json.length + data.length);
  new DataView(out.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  out.set(json, 8);
  out.set(data, 8 + json.length);
  return out;
}

let files = 0;
async function stored(bytes: Uint8Array): Promise<string> {
  const path = join(folder, `${++files}.safetensors`);
  await writeFile(path, bytes);
  return path;
}

/** The tensors of a file as they are. */
async function rawTensors(path: string): Promise<Map<string, RawTensor>> {
  const file = await openSafetensors(path);
  const out = new Map<string, RawTensor>();
  for (const name of file.names) out.set(name, { ...file.info(name), bytes: await file.raw(name) });
  await file.close();
  return out;
}

describe("a file of the Python library", () => {
  it("is read, every format", async () => {
    const { tensors, metadata } = await readSafetensors(fixture);
    const values = (name: string): number[] => [...tensors.get(name)!.dataSync()];
    expect(metadata).toEqual({ format: "np" });
    const ramp = Array.from({ length: 24 }, (_, i) => Math.fround((i - 11) / 7));
    expect(tensors.get("weight")!.shape).toEqual([2, 3, 4]);
    expect(values("weight")).toEqual(ramp);
    expect(values("double")).toEqual(ramp);
    for (const [name, bits] of [
      ["half", 11],
      ["brain", 8],
    ] as const) {
      for (const [i, x] of values(name).entries()) {
        expect(Math.abs(x - ramp[i]!)).toBeLessThanOrEqual(Math.abs(ramp[i]!) * 2 ** -bits);
      }
    }
    expect(values("special")).toEqual([
      0,
      -0,
      Infinity,
      -Infinity,
      Math.fround(1e-45),
      Math.fround(3.4028235e38),
    ]);
    expect(values("flags")).toEqual([1, 0, 1]);
    expect(tensors.get("flags")!.dtype).toBe("bool");
    expect(values("i8")).toEqual([-128, 127]);
    expect(values("u8")).toEqual([0, 255]);
    expect(values("i16")).toEqual([-32768, 32767]);
    expect(values("u16")).toEqual([0, 65535]);
    expect(values("u32")).toEqual([0, 2 ** 31 - 1]);
    for (const name of ["i32", "i64"]) expect(values(name)).toEqual([-(2 ** 31), 2 ** 31 - 1]);
    expect(tensors.get("scalar")!.shape).toEqual([]);
    expect(tensors.get("empty")!.shape).toEqual([0, 3]);
    expect(values('odd "name" ü')).toEqual([1, 2]);
  });

  it("is written again byte for byte", async () => {
    const path = join(folder, "again.safetensors");
    await writeSafetensors(path, await rawTensors(fixture), { metadata: { format: "np" } });
    expect(await readFile(path)).toEqual(await readFile(fixture));
  });

  const python = [process.env["ZOETROPE_PYTHON"], join(packageRoot, ".python/bin/python")].find(
    (candidate) => {
      try {
        if (candidate)
          execFileSync(candidate, ["-c", "import numpy, safetensors.numpy"], { stdio: "ignore" });
        return candidate !== undefined;
      } catch {
        return false;
      }
    },
  );
  it("goes through the Python library and back", async (context) => {
    if (python === undefined) return skipOrFail(context, "no Python with numpy and safetensors");
    const [ours, theirs] = [join(folder, "ours.safetensors"), join(folder, "theirs.safetensors")];
    await writeSafetensors(ours, { x: tf.randomNormal([3, 5]), ids: tf.range(0, 7, 1, "int32") });
    const script =
      "import sys; from safetensors.numpy import load_file, save_file; save_file(load_file(sys.argv[1]), sys.argv[2])";
    execFileSync(python, ["-c", script, ours, theirs]);
    expect(await readFile(theirs)).toEqual(await readFile(ours));
  });

  it("goes through the Python library and back in every format, 8-bit floats too", async (context) => {
    if (python === undefined) return skipOrFail(context, "no Python with numpy and safetensors");
    const [ours, theirs] = [join(folder, "ours-all.safetensors"), join(folder, "theirs-all.safetensors")];
    const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 89 + n) & 255);
    const raw = (dtype: Dtype): RawTensor =>
      dtype === "BOOL"
        ? { dtype, shape: [6], bytes: Uint8Array.from([0, 1, 1, 0, 1, 0]) }
        : { dtype, shape: [2, 3], bytes: bytes(6 * ELEMENT_BYTES[dtype]) };
    const tensors = Object.fromEntries(
      (Object.keys(ELEMENT_BYTES) as Dtype[]).map((d) => [`t ${d}`, raw(d)]),
    );
    await writeSafetensors(ours, tensors, { metadata: { made: "here" } });
    // numpy has no 8-bit and brain floats: this is the library's own reader and writer, below its numpy layer.
    const script = `
import ctypes, sys
from safetensors import TensorSpec, deserialize, safe_open, serialize_file
names = dict(BOOL="bool", U8="uint8", I8="int8", F8_E5M2="float8_e5m2", F8_E4M3="float8_e4m3fn", I16="int16",
             U16="uint16", F16="float16", BF16="bfloat16", I32="int32", U32="uint32", F32="float32", F64="float64",
             I64="int64", U64="uint64")
kept, specs = [], {}
for name, tensor in deserialize(open(sys.argv[1], "rb").read()):
    data = bytes(tensor["data"])
    kept.append(ctypes.create_string_buffer(data, len(data)))
    specs[name] = TensorSpec(dtype=names[tensor["dtype"]], shape=tensor["shape"],
                             data_ptr=ctypes.addressof(kept[-1]), data_len=len(data))
with safe_open(sys.argv[1], framework="np") as file:
    serialize_file(specs, sys.argv[2], file.metadata())
`;
    execFileSync(python, ["-c", script, ours, theirs]);
    expect(await readFile(theirs)).toEqual(await readFile(ours));
  });
});

describe("8-bit and 16-bit floats", () => {
  const decoded = async (dtype: Dtype, bytes: number[]): Promise<number[]> => {
    const path = join(folder, `${dtype}.safetensors`);
    const raw = { dtype, shape: [bytes.length / ELEMENT_BYTES[dtype]], bytes: Uint8Array.from(bytes) };
    await writeSafetensors(path, { x: raw });
    return [...(await readSafetensors(path)).tensors.get("x")!.dataSync()];
  };

  it("e4m3 has no infinity, e5m2 has (OCP 8-bit floating point specification, table 1)", async () => {
    expect(await decoded("F8_E4M3", [0x00, 0x01, 0x08, 0x38, 0x7e, 0x7f, 0xfe, 0x80])).toEqual([
      0,
      2 ** -9,
      2 ** -6,
      1,
      448,
      Number.NaN,
      -448,
      -0,
    ]);
    expect(await decoded("F8_E5M2", [0x01, 0x04, 0x3c, 0x7b, 0x7c, 0x7d, 0xfc])).toEqual([
      2 ** -16,
      2 ** -14,
      1,
      57344,
      Infinity,
      Number.NaN,
      -Infinity,
    ]);
  });

  it("f16 and bf16 are rounded to the nearest, ties to even", async () => {
    const path = join(folder, "rounding.safetensors");
    const x = tf.tensor1d([
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      65519,
      65520,
      2 ** -25,
      3 * 2 ** -25,
      Number.NaN,
      -0,
    ]);
    await writeSafetensors(path, { x }, { floats: "F16" });
    const half = [1, 1 + 2 ** -9, 65504, Infinity, 0, 2 ** -23, Number.NaN, -0];
    expect([...(await readSafetensors(path)).tensors.get("x")!.dataSync()]).toEqual(half);
    // The largest bfloat16 is (2 - 2^-7) 2^127; from half a step above it on, values round to infinity.
    const largest = (2 - 2 ** -7) * 2 ** 127;
    const y = tf.tensor1d([1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.39e38, 3.4e38, Number.NaN, -0]);
    await writeSafetensors(path, { y }, { floats: "BF16" });
    const brain = [1, 1 + 2 ** -6, largest, Number.POSITIVE_INFINITY, Number.NaN, -0];
    expect([...(await readSafetensors(path)).tensors.get("y")!.dataSync()]).toEqual(brain);
  });

  it.each(["F16", "BF16"] as const)("every %s pattern survives reading and writing", async (floats) => {
    const path = join(folder, `patterns-${floats}.safetensors`);
    const bytes = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer);
    await writeSafetensors(path, { x: { dtype: floats, shape: [65536], bytes } });
    const { tensors } = await readSafetensors(path);
    const again = join(folder, `again-${floats}.safetensors`);
    await writeSafetensors(again, tensors, { floats });
    const back = new Uint16Array((await rawTensors(again)).get("x")!.bytes.slice().buffer);
    const isNaNPattern = (i: number): boolean => (i & 0x7fff) > (floats === "F16" ? 0x7c00 : 0x7f80);
    expect([...back.keys()].filter((i) => !isNaNPattern(i) && back[i] !== i)).toEqual([]);
    expect([...back.keys()].filter((i) => isNaNPattern(i) && !isNaNPattern(back[i]!))).toEqual([]);
  });
});

describe("a broken file", () => {
  const one = (entry: string): string => `{"x":${entry}}`;
  const good = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}';
  const eight = new Uint8Array(8);
  it.each([
    ["is empty", new Uint8Array(0), "a safetensors file begins with 8 bytes of header length: got 0 bytes"],
    ["is cut in the prefix", new Uint8Array(5), "begins with 8 bytes of header length: got 5 bytes"],
    [
      "has a huge header",
      fileOf("{}", eight, 100_000_001n),
      "its header must be at most 100000000 bytes: got 100000001",
    ],
    ["has an absurd header", fileOf("{}", eight, 2n ** 64n - 1n), "got 18446744073709551615"],
    [
      "is cut in the header",
      fileOf(one(good), eight).slice(0, 20),
      "must lie within the file: got a file of 20 bytes",
    ],
    ["is cut in the data", fileOf(one(good), eight.slice(1)), "where the file must end"],
    ["has bytes behind the data", fileOf(one(good), new Uint8Array(9)), "where the file must end"],
    ["is not UTF-8", fileOf(Uint8Array.from([0x7b, 0xff, 0x7d])), "its header must be UTF-8"],
    ["begins with a mark", fileOf("\ufeff{}"), "its header must begin with {"],
    ["is not JSON", fileOf('{"x":'), "its header must be JSON"],
    [
      "names a tensor twice",
      fileOf(`{"x":${good},"\\u0078":${good}}`, eight),
      'no name may occur twice in its header: got "x"',
    ],
    ["gives a shape twice", fileOf(one(good.replace("{", '{"shape":[2],')), eight), 'got "shape"'],
    [
      "has an unknown format",
      fileOf(one(good.replace("F32", "F99")), eight),
      "must have one of the formats BOOL, U8",
    ],
    ["has a format of Object", fileOf(one(good.replace("F32", "toString")), eight), 'got "toString"'],
    [
      "has a negative size",
      fileOf(one(good.replace("[2]", "[-2]")), eight),
      "a shape of non-negative integers: got [-2]",
    ],
    ["has half a size", fileOf(one(good.replace("[2]", "[2.5]")), eight), "got [2.5]"],
    [
      "overflows",
      fileOf(one(good.replace("[2]", "[4294967296,4294967296,4]")), eight),
      "takes 295147905179352830000 bytes",
    ],
    [
      "has offsets backwards",
      fileOf(one(good.replace("[0,8]", "[8,0]")), eight),
      "data_offsets [begin, end]: got [8,0]",
    ],
    ["has three offsets", fileOf(one(good.replace("[0,8]", "[0,8,8]")), eight), "data_offsets [begin, end]"],
    ["disagrees with its shape", fileOf(one(good.replace("[2]", "[3]")), eight), "takes 12 bytes: got 8"],
    [
      "has a hole in front",
      fileOf(one(good.replace("[0,8]", "[4,12]")), new Uint8Array(12)),
      "got a hole of 4 bytes",
    ],
    [
      "has a hole",
      fileOf(`{"a":${good},"b":${good.replace("[0,8]", "[9,17]")}}`, new Uint8Array(17)),
      'tensor "b" must follow the one before it: got a hole of 1 bytes',
    ],
    [
      "overlaps",
      fileOf(`{"a":${good},"b":${good.replace("[0,8]", "[4,12]")}}`, new Uint8Array(12)),
      'tensor "b" must not overlap another',
    ],
    ["has a key too many", fileOf(one(good.replace("}", ',"extra":1}')), eight), 'got "extra"'],
    ["has an entry that is none", fileOf(one("[]")), "must be described by an object: got []"],
    [
      "has metadata that is no text",
      fileOf('{"__metadata__":{"a":1}}'),
      "__metadata__ must map strings to strings",
    ],
  ])("that %s is refused", async (_, bytes, message) => {
    const path = await stored(bytes);
    const failure = await openSafetensors(path).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SafetensorsError);
    expect((failure as Error).message).toContain(message);
    expect((failure as Error).message.startsWith(`Cannot read ${path} as `)).toBe(true);
  });

  it("may also be none at all, or a folder", async () => {
    const none = join(folder, "none.safetensors");
    await expect(openSafetensors(none)).rejects.toThrow(
      `Cannot read ${none} as it must be a file of weights that can be opened: there is none. Check the path.`,
    );
    await expect(openSafetensors(folder)).rejects.toThrow("it is a folder or a device. Check the path.");
  });

  it("is not written where there is no folder", async () => {
    const path = join(folder, "no", "weights.safetensors");
    await expect(writeSafetensors(path, {})).rejects.toThrow(
      `Cannot write ${path} as its folder must exist: there is no ${join(folder, "no")}. Make it first.`,
    );
  });

  it("may be unaligned: such a file is sound", async () => {
    const data = new Uint8Array(new Float32Array([1.5, -2]).buffer);
    const header =
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}';
    const path = await stored(fileOf(header, Uint8Array.from([9, ...data])));
    expect([...(await readSafetensors(path)).tensors.get("x")!.dataSync()]).toEqual([1.5, -2]);
  });

  it("with integers beyond int32 says so when they are read", async () => {
    const path = join(folder, "long.safetensors");
    const bytes = new Uint8Array(BigInt64Array.from([1n, 2n ** 40n]).buffer);
    await writeSafetensors(path, { x: { dtype: "I64", shape: [2], bytes } });
    await expect(readSafetensors(path)).rejects.toThrow(
      "Cannot read x as its values must fit int32: got 1099511627776 at 1. Read the bytes with raw() instead.",
    );
  });
});

describe("a file larger than memory", () => {
  it("gives a slice and reads no more than that", async () => {
    // A sparse file: the system stores only what is written, here four rows near the end.
    const [columns, rows] = [1024, Math.ceil((2 * totalmem()) / 4096)];
    const header = `{"table":{"dtype":"F32","shape":[${rows},${columns}],"data_offsets":[0,${rows * 4096}]}}`;
    const path = join(folder, "sparse.safetensors");
    const start = fileOf(header);
    const file = await open(path, "w");
    await file.write(start);
    const first = rows - 5;
    const values = Float32Array.from({ length: 4 * columns }, (_, i) => i);
    await file.write(new Uint8Array(values.buffer), 0, undefined, start.length + first * 4096);
    await file.truncate(start.length + rows * 4096);
    await file.close();
    const before = process.memoryUsage().rss;
    const table = await openSafetensors(path);
    expect(table.info("table").bytes).toBeGreaterThan(totalmem());
    const whole = await table.slice("table", [first + 1, 0], [2, -1]);
    expect([...whole.dataSync()]).toEqual([...values.slice(columns, 3 * columns)]);
    const column = await table.slice("table", [first, 7], [5, 2]);
    expect([...column.dataSync()]).toEqual([7, 8, 1031, 1032, 2055, 2056, 3079, 3080, 0, 0]);
    await table.close();
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });
});

describe("an index of shards", () => {
  const index = (map: unknown): Promise<string> =>
    stored(new TextEncoder().encode(JSON.stringify(map))).then(async (path) => {
      const renamed = `${path}.index.json`;
      await copyFile(path, renamed);
      return renamed;
    });

  it("opens like one file", async () => {
    await writeSafetensors(join(folder, "part-1.safetensors"), { a: tf.tensor1d([1, 2]) });
    await writeSafetensors(join(folder, "part-2.safetensors"), { b: tf.tensor1d([3]), c: tf.scalar(4) });
    const weight_map = { a: "part-1.safetensors", b: "part-2.safetensors", c: "part-2.safetensors" };
    const file = await openSafetensors(await index({ metadata: { total_size: 16 }, weight_map }));
    expect(file.names).toEqual(["a", "b", "c"]);
    expect(file.metadata).toEqual({ total_size: "16" });
    expect([...(await file.read("b")).dataSync()]).toEqual([3]);
    expect([...(await file.slice("a", [1], [1])).dataSync()]).toEqual([2]);
    expect(() => file.info("d")).toThrow('Cannot read "d" as ');
    await file.close();
  });

  it.each([
    [
      { weight_map: { a: "../secret.safetensors" } },
      'its weight_map must name files beside it: got "../secret.safetensors"',
    ],
    [{ weight_map: { a: 3 } }, "its weight_map must name files beside it: got 3"],
    [{ weight_map: { z: "part-1.safetensors" } }, 'Cannot read "z" as '],
    [{}, "an index must have a weight_map of names to files: got none"],
    [null, "an index must have a weight_map"],
  ])("that is broken is refused: %j", async (content, message) => {
    await expect(openSafetensors(await index(content))).rejects.toThrow(message);
  });
});

describe("random files", () => {
  const dtypes = Object.keys(ELEMENT_BYTES) as Dtype[];
  const raw = fc
    .record({
      dtype: fc.constantFrom(...dtypes),
      shape: fc.array(fc.nat(4), { maxLength: 3 }),
      seed: fc.nat(255),
    })
    .map(({ dtype, shape, seed }): RawTensor => {
      const size = shape.reduce((a, b) => a * b, 1) * ELEMENT_BYTES[dtype];
      return { dtype, shape, bytes: Uint8Array.from({ length: size }, (_, i) => (i * 37 + seed) & 255) };
    });
  const contents = fc.dictionary(
    fc.string({ unit: "grapheme", maxLength: 6 }).filter((name) => name !== "__metadata__"),
    raw,
    { maxKeys: 6 },
  );

  it("come back byte for byte, whatever the names, shapes and formats", async () => {
    await fc.assert(
      fc.asyncProperty(
        contents,
        fc.dictionary(fc.string({ maxLength: 4 }), fc.string({ maxLength: 4 })),
        async (tensors, metadata) => {
          const path = join(folder, "random.safetensors");
          await writeSafetensors(path, new Map(Object.entries(tensors)), { metadata });
          const back = await rawTensors(path);
          expect(new Set(back.keys())).toEqual(new Set(Object.keys(tensors)));
          for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
            expect(back.get(name)).toEqual({ dtype, shape: [...shape], bytes: bytes.slice() });
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("with any bytes changed, cut or added are read or refused, never anything else", async () => {
    const valid = await readFile(fixture);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.integer({ min: -40, max: 8 }),
        async (changes, grow) => {
          const bytes = new Uint8Array(valid.length + grow);
          bytes.set(valid.subarray(0, bytes.length));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          const failure = await openSafetensors(await stored(bytes)).then(
            (file) => file.close(),
            (error: unknown) => error,
          );
          if (failure !== undefined) expect(failure).toBeInstanceOf(SafetensorsError);
          if (grow !== 0 && changes.length === 0) expect(failure).toBeInstanceOf(SafetensorsError);
        },
      ),
      { numRuns: 300 },
    );
  });
});
