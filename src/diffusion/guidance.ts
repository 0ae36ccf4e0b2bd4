/**
 * Classifier-free guidance (Ho & Salimans 2207.12598) as a denoiser around a denoiser:
 *
 *   v = v_empty + scale (v_prompt - v_empty)
 *
 * Both branches run as one doubled batch and keep their own history (the Self-Forcing convention: two caches), so that
 * the unprompted branch never attends to prompted features. Scale 1 is the bare denoiser.
 */
import { notNegative, requireNumbers } from "../tensor/ranges.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Condition, Denoiser, History } from "./denoiser.ts";

interface PairedHistory extends History {
  /** 2B rows: the prompted ones, then the unprompted. */
  readonly both: History;
}

/** @param scale >= 0; 1 = off, larger = closer to the prompt */
export function guided(denoiser: Denoiser, { scale }: { readonly scale: number }): Denoiser {
  requireNumbers("guide", { scale }, notNegative, "Use 1 for no guidance, 1.5 to 6 usually.");
  if (scale === 1) return denoiser;
  let emptyPrompt: Tensor | undefined;
  /** The condition of both branches; the empty prompt is encoded once and lives as long as this denoiser. */
  const doubled = ({ prompts, tokens }: Condition): Condition => {
    emptyPrompt ??= tf.keep(denoiser.encode([""]).tokens);
    const empty = emptyPrompt.tile([prompts.length, 1, 1]);
    return { prompts: [...prompts, ...prompts.map(() => "")], tokens: tf.concat([tokens, empty]) };
  };
  return Object.freeze({
    ...denoiser,
    name: `${denoiser.name} guided ${scale}`,
    emptyHistory: (batch: number) => paired(denoiser.emptyHistory(2 * batch)),
    velocity(xt: Tensor, t: Tensor | number, history: History, condition: Condition) {
      return tf.tidy(() => {
        const time = typeof t === "number" ? t : tf.concat([t, t]);
        const both = denoiser.velocity(tf.concat([xt, xt]), time, bothOf(history), doubled(condition));
        const [prompted, empty] = tf.split(both, 2, 0) as [Tensor, Tensor];
        return empty.add(prompted.sub(empty).mul(scale));
      });
    },
    append(x0: Tensor, history: History, condition: Condition) {
      const { twice, tokens } = tf.tidy(() => ({
        twice: tf.concat([x0, x0]),
        tokens: doubled(condition).tokens,
      }));
      const prompts = [...condition.prompts, ...condition.prompts.map(() => "")];
      try {
        return paired(denoiser.append(twice, bothOf(history), { prompts, tokens }));
      } finally {
        tf.dispose([twice, tokens]);
      }
    },
  });
}

function paired(both: History): PairedHistory {
  const batch = both.batch / 2;
  return Object.freeze({
    both,
    batch,
    get numChunks() {
      return both.numChunks;
    },
    get bytes() {
      return both.bytes;
    },
    get tensors() {
      return both.tensors;
    },
    gather: (rows: readonly number[]) => paired(both.gather([...rows, ...rows.map((row) => row + batch)])),
    ...(both.join && {
      join(others: readonly History[]) {
        const parts = [both, ...others.map(bothOf)];
        const joined = both.join!(parts.slice(1));
        // [prompted, empty, prompted, empty] to [prompted, prompted, empty, empty]
        const starts = parts.map((_, i) => parts.slice(0, i).reduce((sum, part) => sum + part.batch, 0));
        const half = (from: number): number[] =>
          parts.flatMap((part, i) =>
            Array.from({ length: part.batch / 2 }, (_, row) => starts[i]! + (from * part.batch) / 2 + row),
          );
        const ordered = joined.gather([...half(0), ...half(1)]);
        joined.dispose();
        return paired(ordered);
      },
    }),
    dispose: () => both.dispose(),
  });
}

function bothOf(history: History): History {
  if (!("both" in history)) {
    throw new TypeError(
      "Cannot guide with this history as it holds one branch: start from the guided denoiser's own emptyHistory().",
    );
  }
  return (history as PairedHistory).both;
}
