/** A denoiser under another history policy, for whoever takes the policy as an option: rollouts, search. */
import type { Denoiser } from "../diffusion/denoiser.ts";
import type { CausalWan, HistoryOptions } from "./causal-wan.ts";
import type { HistoryPolicy } from "./history-policy.ts";

/**
 * The same weights with `history` and `options` in place of its own; the denoiser itself when nothing is asked.
 * @throws TypeError for a denoiser whose history is fixed
 */
export function withHistory(
  denoiser: Denoiser,
  history: HistoryPolicy | undefined,
  options: HistoryOptions = {},
): Denoiser {
  if (!history && Object.keys(options).length === 0) return denoiser;
  if (!("withHistory" in denoiser)) {
    throw new TypeError(
      `Cannot change the history of ${denoiser.name} as it has a fixed one. Leave out "history" and its options.`,
    );
  }
  const model = denoiser as CausalWan;
  return model.withHistory(history ?? model.historyPolicy, options);
}
