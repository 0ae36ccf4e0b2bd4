/**
 * A causal generator in closed form, to test search against theory: given the history, each chunk is Gaussian with
 * mean 0.5 x the last frame of the chunk before and standard deviation 0.3, so the exact velocity is known.
 * Its history keeps one row per candidate and can be gathered and joined, and counts what is alive.
 */
import type { ChunkShape, Condition, Denoiser, History } from "../../src/diffusion/denoiser.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import type { Verifier } from "../../src/verify/verifier.ts";

const deviation = 0.3;

interface FakeHistory extends History {
  /** [batch, frames, height, width, channels] of the last chunk; undefined before the first. */
  readonly last: Float32Array[];
}

export interface FakeDenoiser extends Denoiser {
  /** Histories made and not disposed. */
  readonly live: () => number;
}

export function fakeDenoiser({
  chunkShape = [2, 2, 2, 3] as ChunkShape,
  canJoin = true,
}: {
  chunkShape?: ChunkShape;
  canJoin?: boolean;
} = {}): FakeDenoiser {
  let live = 0;
  const size = chunkShape.reduce((a, b) => a * b, 1);
  const history = (batch: number, numChunks: number, last: Float32Array[]): FakeHistory => {
    live++;
    let isDisposed = false;
    const check = () => {
      if (isDisposed) throw new Error("a disposed history was used");
    };
    return {
      batch,
      numChunks,
      bytes: numChunks * batch * size * 4,
      get last() {
        check();
        return last;
      },
      gather(rows) {
        check();
        return history(rows.length, numChunks, numChunks === 0 ? [] : rows.map((row) => last[row]!));
      },
      ...(canJoin && {
        join(others: readonly History[]) {
          check();
          const parts = others as readonly FakeHistory[];
          return history(batch + parts.reduce((sum, other) => sum + other.batch, 0), numChunks, [
            ...last,
            ...parts.flatMap((other) => other.last),
          ]);
        },
      }),
      dispose() {
        check();
        isDisposed = true;
        live--;
      },
    };
  };
  return {
    name: "fake",
    chunkShape,
    live: () => live,
    encode: (prompts): Condition => ({ prompts, tokens: tf.zeros([prompts.length, 1, 1]) }),
    emptyHistory: (batch) => history(batch, 0, []),
    velocity(xt, t, past) {
      const { last, batch } = past as FakeHistory;
      if (batch !== xt.shape[0]) throw new Error(`history of ${batch} rows for a batch of ${xt.shape[0]}`);
      const time = t as number;
      return tf.tidy(() => {
        const mean = meanOf(xt, last);
        const variance = deviation ** 2;
        const gain = ((1 - time) * variance) / ((1 - time) ** 2 * variance + time ** 2);
        const x0 = mean.add(xt.sub(mean.mul(1 - time)).mul(gain));
        return xt.sub(x0).div(time);
      });
    },
    append(x0, past) {
      const rows = x0.shape[0]!;
      const data = x0.dataSync();
      return history(
        rows,
        past.numChunks + 1,
        Array.from({ length: rows }, (_, row) => Float32Array.from(data.slice(row * size, (row + 1) * size))),
      );
    },
  };

  function meanOf(xt: Tensor, last: Float32Array[]): Tensor {
    if (last.length === 0) return tf.zerosLike(xt);
    const frame = size / chunkShape[0];
    const means = last.map((chunk) => {
      const tail = chunk.subarray(size - frame);
      return Float32Array.from({ length: size }, (_, i) => 0.5 * tail[i % frame]!);
    });
    return tf.tensor(Float32Array.from(means.flatMap((mean) => [...mean])), xt.shape);
  }
}

/** Mean red of all frames: smooth in the video, known in closed form. */
export function redVerifier(): Verifier {
  return {
    name: "red",
    score: async (inputs) =>
      inputs.map(({ video }) => {
        let sum = 0;
        for (let i = 0; i < video.data.length; i += 3) sum += video.data[i]!;
        return sum / (video.data.length / 3);
      }),
  };
}
