/**
 * The measurements behind the claims about forcings: arms of equal budget from one warm-up, several seeds each, and what the
 * oracle says of their free rollouts. All in one run of the store:
 *
 *   "train"    curves; the stage is "<arm>, seed <n>"
 *   "rollout"  one row per arm, history, seed, prompt and third of a rollout three times as long as the training clips
 *   "routing"  how often the routed arm picked the first and the newest chunk of a full history
 */
import type { Run } from "../../lab/run.ts";
import { scoreSegments } from "../../metrics/world-score.ts";
import { CausalWan } from "../../model/causal-wan.ts";
import { type HistoryPolicy, routing, slidingWindow } from "../../model/history-policy.ts";
import { routingRecorder } from "../../model/routing-recorder.ts";
import { rolloutClip } from "../../sample/rollout.ts";
import type { Precision } from "../../tensor/device.ts";
import type { Codec } from "../../video/codec.ts";
import { resamplingForcing } from "../forcing/resampling-forcing.ts";
import { type Arm, arm, arms, clips, prompts, trainedChunks, window } from "../recipes/mini.ts";
import { averagedAfter, startFrom, trainStage } from "../recipes/stage.ts";
import type { TrainRow } from "../trainer.ts";

/** What is trained, by name: the shipped arms, and resampling with other shifts. */
export const trainedArms: Readonly<Record<string, () => Arm>> = Object.freeze({
  ...arms,
  "shift-0.1": () => ({ forcing: resamplingForcing({ shift: 0.1 }) }),
  "shift-3": () => ({ forcing: resamplingForcing({ shift: 3 }) }),
});

/** Arms that go on from another arm's end for a third of its steps, on clips of so many chunks. */
export const continuedArms: Readonly<Record<string, { readonly from: string; readonly chunks: number }>> =
  Object.freeze({
    "short-clips": { from: "resampling-forcing", chunks: trainedChunks },
    "long-clips": { from: "resampling-forcing", chunks: 2 * trainedChunks },
  });

/** Histories under which the resampling arm is rolled out besides its own window. */
const otherHistories: readonly HistoryPolicy[] = [
  routing({ topK: 5 }),
  routing({ topK: 1 }),
  slidingWindow({ chunks: 1 }),
];

export type RolloutRow = {
  readonly arm: string;
  readonly history: string;
  /** Of the training; rollouts of all arms share their noise. */
  readonly seed: number;
  readonly prompt: string;
  readonly rollout: number;
  /** From 0. */
  readonly third: number;
  readonly worldScore: number;
  /** 1 where object, colour and motion are right. */
  readonly right: number;
  readonly lostObjectRate: number;
  readonly sceneChange: number;
  readonly sizeDrift: number;
};

export type RoutingShareRow = {
  readonly seed: number;
  /** Shares of queries that picked the first and the newest chunk; by chance it would be `chance`. */
  readonly first: number;
  readonly newest: number;
  readonly chance: number;
};

export interface ForcingArmsOptions {
  readonly codec: Codec;
  /** The run with the warm-up. */
  readonly from: Run;
  /** Seed that the warm-up's model was made with. */
  readonly modelSeed: number;
  readonly seeds: readonly number[];
  readonly names: readonly string[];
  readonly steps: number;
  readonly batchSize: number;
  readonly perPrompt: number;
  readonly precision?: Precision;
  readonly signal?: AbortSignal;
  readonly onRow?: (stage: string, row: TrainRow) => void;
}

const stageOf = (name: string, seed: number) => `${name}, seed ${seed}`;

/** Trains and measures what the run does not hold yet. */
export async function measureForcings(run: Run, options: ForcingArmsOptions): Promise<void> {
  const { codec, from, modelSeed, seeds, names, steps, batchSize, signal, precision } = options;
  for (const seed of seeds) {
    for (const name of names) {
      const has = (kind: string) =>
        run.rows(kind).some((row) => row["arm"] === name && row["seed"] === seed && row["last"] === true);
      if (has("rollout")) continue;
      const continued = continuedArms[name];
      const { forcing, history } = continued ? trainedArms[continued.from]!() : trainedArms[name]!();
      const model = CausalWan.mini({ codec, seed: modelSeed, ...(history && { history }) });
      await (continued
        ? startFrom(model, run, stageOf(continued.from, seed))
        : startFrom(model, from, "warmup"));
      const data = clips(1000 + seed, 2 * (continued?.chunks ?? trainedChunks));
      const stage = stageOf(name, seed);
      const training = trainStage(run, model, data, {
        ...arm(forcing, continued ? Math.ceil(steps / 3) : steps),
        // Long clips get as many frames a step as short ones.
        batchSize: Math.max(
          1,
          Math.round((batchSize * trainedChunks) / (continued?.chunks ?? trainedChunks)),
        ),
        codec,
        seed: 1000 + seed,
        stage,
        ...(precision && { precision }),
        ...(signal && { signal }),
      });
      for await (const row of training) options.onRow?.(stage, row);
      const averaged = await averagedAfter(model, run, stage);
      const histories = [
        history ?? window,
        ...(name === "resampling-forcing" ? otherHistories : []),
        ...(continued ? [slidingWindow({ chunks: 2 * trainedChunks - 1 })] : []),
      ];
      for (const [i, policy] of histories.entries()) {
        const rows = await rolloutRows(averaged, codec, policy, options);
        const isLast = i === histories.length - 1;
        run.append(
          "rollout",
          rows.map((row, at) => ({ arm: name, seed, ...row, last: isLast && at === rows.length - 1 })),
        );
      }
      if (history) run.append("routing", { arm: name, seed, ...(await routingShare(averaged, history)) });
      averaged.dispose();
      model.dispose();
    }
  }
}

async function rolloutRows(
  model: CausalWan,
  codec: Codec,
  history: HistoryPolicy,
  { perPrompt, signal }: ForcingArmsOptions,
): Promise<Omit<RolloutRow, "arm" | "seed">[]> {
  const asked = prompts.heldOut.flatMap((prompt) => Array.from({ length: perPrompt }, () => prompt));
  const { latents, videos } = await rolloutClip(model, {
    prompts: asked,
    chunks: 3 * trainedChunks,
    seeds: 5000,
    steps: 4,
    history,
    // Distances in a routed history would leave the trained range.
    ...(history.topK > 0 && { maxDistance: trainedChunks - 1 }),
    codec,
    signal,
  });
  latents.dispose();
  return videos.flatMap((video, i) =>
    scoreSegments(video, asked[i]!, 3).map(({ total, correct, measures }, third) => ({
      history: history.name,
      prompt: asked[i]!,
      rollout: i % perPrompt,
      third,
      worldScore: total,
      right: Number(correct.object && correct.colour && correct.motion),
      lostObjectRate: measures.lostObjectRate,
      sceneChange: measures.sceneChange,
      sizeDrift: measures.sizeDrift,
    })),
  );
}

/** At the 21st chunk, as in figure 8 of the paper. */
async function routingShare(
  model: CausalWan,
  history: HistoryPolicy,
): Promise<Omit<RoutingShareRow, "seed">> {
  const recorder = routingRecorder();
  const chunks = 21;
  const options = { prompts: prompts.heldOut, chunks, seeds: 5000, steps: 4, maxDistance: trainedChunks - 1 };
  const { latents } = await rolloutClip(model, { ...options, history, recorder });
  latents.dispose();
  const rows = (await recorder.rows({ by: [] })).filter((row) => row.chunk === chunks - 1);
  recorder.dispose();
  const share = (picked: number) => rows.find((row) => row.picked === picked)!.frequency;
  return { first: share(0), newest: share(chunks - 2), chance: history.topK / (chunks - 1) };
}
