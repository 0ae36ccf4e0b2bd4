/**
 * The engines in a process of their own: whatever is asked of them, they answer or throw, and the process ends by itself.
 * A crash of native code would show as a signal.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../../src/tensor/package-root.ts";

const library = pathToFileURL(join(packageRoot, "dist/src/index.js")).href;

/** Runs a module in a child; `shell` limits it before (ulimit). */
function run(source: string, shell = ""): { status: number | null; signal: string | null; out: string } {
  const child = spawnSync("/bin/sh", ["-c", `${shell} exec "${process.execPath}" --input-type=module -`], {
    input: `import * as z from ${JSON.stringify(library)};\nconst { tf } = z;\n${source}`,
    encoding: "utf8",
    timeout: 100_000,
  });
  return { status: child.status, signal: child.signal, out: `${child.stdout}${child.stderr}` };
}

/** Calls with shapes, indices and numbers at random, most of which do not fit. */
const FUZZ = `
const random = z.rng(7);
let draw = 0;
const below = (n) => Math.floor(random.at(draw++).uniform(1)[0] * n);
const pick = (list) => list[below(list.length)];
const shape = () => Array.from({ length: below(5) }, () => pick([0, 1, 2, 3, 5, 17]));
const SPECIAL = [NaN, Infinity, -Infinity, -0, 1e38, -1e38, 1e-45];
const floats = (s = shape()) => {
  const data = random.at(draw++).normal(s.reduce((a, b) => a * b, 1));
  for (let i = 0; i < data.length; i += 1 + below(9)) data[i] = pick(SPECIAL);
  return tf.tensor(data, s);
};
const ids = (s = shape()) =>
  tf.tensor(random.at(draw++).ints(s.reduce((a, b) => a * b, 1), 40).map((x) => x - 20), s, "int32");
const visible = () => Array.from({ length: below(4) }, () => Array.from({ length: below(3) }, () => below(6) - 1));
const calls = [
  () => tf.add(floats(), floats()),
  () => tf.matMul(floats(), floats(), below(2) === 1, below(2) === 1),
  () => tf.einsum(pick(["ab,bc->ac", "abc,bd->ad", "ab->ba", "aab->b"]), floats(), floats()),
  () => tf.gather(floats(), ids(), below(4) - 1),
  () => tf.gatherND(floats(), ids()),
  () => tf.scatterND(ids(), floats(), shape()),
  () => tf.unsortedSegmentSum(floats(), ids([below(6)]), below(5)),
  () => tf.slice(floats(), shape(), shape()),
  () => tf.stridedSlice(floats(), shape(), shape(), shape()),
  () => tf.concat([floats(), floats()], below(4) - 1),
  () => tf.pad(floats(), Array.from({ length: below(5) }, () => [below(3), below(3)])),
  () => tf.transpose(floats(), shape()),
  () => tf.reshape(floats(), shape()),
  () => tf.topk(floats(), below(6)),
  () => tf.softmax(floats(), below(4) - 1),
  () => tf.sum(floats(), below(5) - 1),
  () => tf.cumsum(floats(), below(4) - 1),
  () => tf.tile(floats(), shape()),
  () => tf.conv2d(floats(), floats(), below(3), pick(["same", "valid", -1])),
  () => tf.oneHot(ids(), below(5)),
  () => tf.where(tf.cast(ids(), "bool"), floats(), floats()),
  () => z.linear(floats(), floats(), pick([undefined, floats()]), { activation: pick([undefined, "gelu", "silu"]) }),
  () => z.layerNorm(floats(), pick([undefined, floats()])),
  () => z.layerNormModulate(floats(), floats(), floats()),
  () => z.gatedResidual(floats(), floats(), floats()),
  () => z.rmsNorm(floats(), floats()),
  () => z.rope(floats(), floats(), floats(), below(4)),
  () => z.attention(floats(), floats(), floats(), { heads: below(4) }),
  () => z.attention(floats([1, 6, 4]), floats([1, 6, 4]), floats([1, 6, 4]), { heads: 2, chunkTokens: below(4), visible: visible(), keyTokens: pick([undefined, below(9)]) }),
  () => z.attention(floats([2, 6, 4]), floats([2, 6, 4]), floats([2, 6, 4]), { heads: 2, chunkTokens: 2, visible: [[0], [1], [2]], route: { topK: below(5), candidates: visible() } }),
  () => z.unpackBf16(z.packBf16(floats())),
  () => z.attention(floats(), z.packBf16(floats()), z.packBf16(floats()), { heads: below(4) }),
  () => z.attention(floats([2, 6, 4]), z.packBf16(floats([2, 6, 4])), z.packBf16(floats([2, 6, 4])), { heads: 2, chunkTokens: 2, visible: [[0], [1], [2]], route: { topK: below(5), candidates: visible() } }),
  () => z.appendCache(floats(), floats(), below(9) - 2),
  () => z.appendCache(floats([4, 6, 2]), floats(), below(9) - 2),
  () => z.readCache(floats(), below(9) - 2, below(9) - 2, below(4)),
  () => z.attention(floats([2, 6, 4]), floats([4, 6, 2]), floats([4, 6, 2]), { heads: below(4) }),
  () => z.poolKeys(floats(), below(5)),
  () => z.embedding(ids(), floats()),
  () => z.patchify(floats(), below(4)),
  () => z.unpatchify(floats(), below(4), [below(4), below(4), below(4)]),
  () => z.flowMatchingLoss(floats(), floats(), pick([undefined, floats()])),
];
let [answered, refused] = [0, 0];
for (let i = 0; i < 3000; i++) {
  const call = pick(calls);
  try {
    tf.tidy(() => {
      const y = call();
      for (const t of Array.isArray(y) ? y : y instanceof tf.Tensor ? [y] : Object.values(y)) t.dataSync();
    });
    answered++;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    refused++;
  }
}
console.log("answered", answered, "refused", refused);
`;

describe.each(["native", "wasm"])("%s", (backend) => {
  it("answers or refuses, whatever the shapes and numbers", () => {
    const { status, signal, out } = run(`await z.useDevice("${backend}");${FUZZ}process.exit(0);`);
    expect(out).toMatch(/answered \d{3,} refused \d{3,}/);
    expect([status, signal]).toEqual([0, null]);
  });
});

it("native: the system's memory runs out, tensors are dropped, and it goes on", () => {
  // 4 GB of addresses, of which the program itself takes about half.
  const { status, out } = run(
    `await z.useDevice("native");
const held = [];
let message = "";
for (let i = 0; i < 60 && message === ""; i++) {
  try { held.push(tf.fill([32, 1 << 20], 1)); } catch (error) { message = error.message; }
}
console.log(held.length > 0, message);
tf.dispose(held);
console.log(tf.sum(tf.matMul(tf.ones([300, 300]), tf.ones([300, 300]))).dataSync()[0]);
process.exit(0);`,
    "ulimit -v 4194304;",
  );
  expect(out).toMatch(
    /^true Cannot make a tensor as the system must give 0\.125 GiB of memory for it and gave none\./m,
  );
  expect(out).toContain("27000000");
  expect(status).toBe(0);
});

describe.each(["native", "wasm", "cpu"])("%s: sizes that no machine has", (backend) => {
  it("are refused with the size, the limit and what to do, and the next cell works", () => {
    const { status, signal, out } = run(
      `await z.useDevice("${backend}");
const makers = {
  zeros: () => tf.zeros([1e6, 1e6]),
  ones: () => tf.ones([1e6, 1e6], "int32"),
  fill: () => tf.fill([1e6, 1e6], 2),
  complex: () => tf.zeros([1e6, 1e6], "complex64"),
  overflow: () => tf.zeros([1e200, 1e200]),
  eye: () => tf.eye(1e6),
  linspace: () => tf.linspace(0, 1, 1e12),
  range: () => tf.range(0, 1e12),
  buffer: () => tf.buffer([1e6, 1e6]),
  randomNormal: () => tf.randomNormal([1e6, 1e6]),
  randomUniform: () => tf.randomUniform([1e6, 1e6]),
  truncatedNormal: () => tf.truncatedNormal([1e6, 1e6]),
};
for (const [name, make] of Object.entries(makers)) {
  try { make(); } catch (error) { console.log(name, error.name, error.message); }
}
try { tf.tile(tf.ones([1e6]), [1e6]); } catch (error) { console.log("tile", error.name, error.message); }
console.log("left", tf.add(tf.ones([2, 2]), tf.eye(2)).dataSync().join(), tf.range(3, 0, -1).dataSync().join());
process.exit(0);`,
    );
    for (const [name, size] of [
      ["zeros", "3725"],
      ["ones", "3725"],
      ["fill", "3725"],
      ["complex", "7451"],
      ["overflow", "Infinity"],
      ["eye", "3725"],
      ["linspace", "3725"],
      ["range", "3725"],
      ["buffer", "3725"],
      ["randomNormal", "3725"],
      ["randomUniform", "3725"],
      ["truncatedNormal", "3725"],
    ]) {
      expect(out).toMatch(
        new RegExp(
          `^${name} RangeError Cannot make a tensor of shape \\[[^\\]]+\\] as it must fit into the memory of this machine, [\\d.]+ GiB: got ${size} GiB\\. Use a smaller shape, or compute part by part\\.$`,
          "m",
        ),
      );
    }
    if (backend !== "cpu") expect(out).toMatch(/^tile RangeError Cannot make a tensor as .*got 3\d{3} GiB/m);
    expect(out).toContain("left 2,1,1,2 3,2,1");
    expect([status, signal]).toEqual([0, null]);
  });
});
