/** One example of every chart, from seeded rows: what the tests check, and what people look at. */
import { encodeIndexedPng } from "../../src/plot/indexed-png.ts";
import * as plot from "../../src/plot/plot.ts";
import type { Row } from "../../src/plot/row.ts";
import { rng } from "../../src/tensor/rng.ts";

/** Search rows of strategies that saturate at different rates. */
export function searchRows(verifiers: readonly string[] = ["ensemble"]): Row[] {
  const rows: Row[] = [];
  const gains: [string, number, number][] = [
    ["linear", 0.055, 1],
    ["tree of frames", 0.07, 0.42],
    ["evoSearch", 0.082, 0.9],
    ["particles", 0.058, 0.95],
  ];
  for (const [v, verifier] of verifiers.entries()) {
    for (const [strategy, gain, cost] of gains) {
      for (const n of [1, 2, 4, 8, 16, 32]) {
        for (let seed = 0; seed < 5; seed++) {
          for (const prompt of ["a red ball", "a blue cube"]) {
            const noise = rng(3).at(strategy, verifier, n, seed, prompt).normal(1)[0]!;
            const score =
              0.55 +
              (gain - 0.012 * v) * Math.log2(n + 1) +
              0.015 * noise +
              (prompt === "a red ball" ? 0.02 : 0);
            const nfe = Math.round(128 * (1 + (n - 1) * cost));
            rows.push({
              strategy,
              n,
              prompt,
              seed,
              nfe,
              score,
              verifier,
              metric: "world score",
              source: "world",
            });
          }
        }
      }
    }
  }
  return rows;
}

const normal = (...path: (string | number)[]) =>
  rng(11)
    .at(...path)
    .normal(1)[0]!;

/** Routing with a sink, a recency peak and a light tail; three layers. */
export function routingRows(numChunks = 10, layers = 3): Row[] {
  const rows: Row[] = [];
  for (let layer = 0; layer < layers; layer++) {
    for (let query = 1; query < numChunks; query++) {
      const weights = Array.from({ length: query }, (_, chunk) => {
        const sink = chunk === 0 ? 2.5 - 0.5 * layer : 0;
        return (
          sink +
          3 * Math.exp(-(query - 1 - chunk) / (1.5 + layer)) +
          0.3 +
          0.1 * Math.abs(normal(layer, query, chunk))
        );
      });
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      weights.forEach((weight, chunk) => {
        rows.push({
          layer,
          head: 0,
          step: 0,
          chunk: query,
          picked: chunk,
          frequency: Math.min(1, (3 * weight) / total),
        });
      });
    }
  }
  return rows;
}

function driftRows(): Row[] {
  const rows: Row[] = [];
  const falls: [string, number][] = [
    ["teacher forcing", -0.19],
    ["diffusion forcing", -0.11],
    ["noise augmentation", -0.09],
    ["parallel resampling", -0.045],
    ["resampling forcing", -0.01],
  ];
  for (const [method, fall] of falls) {
    for (const [i, segment] of ["0–5 s", "5–10 s", "10–15 s"].entries()) {
      for (let seed = 0; seed < 6; seed++) {
        rows.push({ method, segment, seed, score: 0.82 + fall * i + 0.02 * normal(method, i, seed) });
      }
    }
  }
  return rows;
}

function ablationRows(): Row[] {
  const rows: Row[] = [];
  for (const shift of [0.1, 0.3, 0.6, 1, 3]) {
    for (let seed = 0; seed < 5; seed++) {
      rows.push({
        shift,
        seed,
        method: "last segment",
        score: 0.74 - 0.05 * Math.log2(shift / 0.6) ** 2 * 0.5 + 0.012 * normal("s", shift * 10, seed),
      });
    }
  }
  return rows;
}

function topKRows(): Row[] {
  const rows: Row[] = [];
  for (const topK of [1, 2, 3, 5, 8]) {
    for (let seed = 0; seed < 5; seed++) {
      rows.push({
        topK,
        seed,
        method: "routing",
        score: 0.79 - 0.11 / topK + 0.01 * normal("r", topK, seed),
      });
      rows.push({
        topK,
        seed,
        method: "sliding window",
        score: 0.77 - 0.19 / topK + 0.01 * normal("w", topK, seed),
      });
    }
  }
  return rows;
}

const dimensions =
  "subject_consistency background_consistency temporal_flickering motion_smoothness dynamic_degree aesthetic_quality imaging_quality object_class multiple_objects human_action color spatial_relationship scene appearance_style temporal_style overall_consistency".split(
    " ",
  );

export function dimensionRows(): Row[] {
  return dimensions.flatMap((dimension, i) =>
    ["base", "linear", "tree of frames"].flatMap((method, m) =>
      Array.from({ length: 5 }, (_, seed) => ({
        dimension,
        method,
        seed,
        score:
          0.55 +
          0.35 * Math.abs(Math.sin(i * 1.7)) +
          (i < 4 ? 0.004 : 0.035) * m +
          0.012 * normal(dimension, m, seed),
      })),
    ),
  );
}

function lossRows(): Row[] {
  return Array.from({ length: 900 }, (_, step) => ({
    step,
    loss: 0.08 + 0.9 * Math.exp(-step / 120) + 0.03 * Math.abs(normal("loss", step)),
    clipsPerSecond: 41 + 2 * normal("speed", step),
  }));
}

/** Rows as the trainer writes them, few steps of two forcings. */
function forcingRows(): Row[] {
  return ["teacher forcing", "resampling forcing"].flatMap((method, i) =>
    Array.from({ length: 6 }, (_, at) => ({
      method,
      step: at + 1,
      loss: 0.1 + 0.1 * i + 0.02 * normal("forcing", i, at),
      tokensPerSecond: 9000 / (1 + i) + 200 * normal("tokens", i, at),
    })),
  );
}

function treeRows(): Row[] {
  const rows: Row[] = [];
  let frontier: string[] = [];
  for (let root = 0; root < 5; root++) {
    const kept = root !== 1 && root !== 4;
    rows.push({ id: `${root}`, parent: "", depth: 0, score: 0.5 + 0.06 * normal("root", root), kept });
    if (kept) frontier.push(`${root}`);
  }
  for (let depth = 1; depth <= 5; depth++) {
    const children = frontier.flatMap((parent) =>
      [0, 1].slice(0, depth % 2 === 1 ? 2 : 1).map((i) => ({ parent, id: `${parent}.${i}` })),
    );
    const scored = children.map((child) => ({
      ...child,
      score: 0.5 + 0.05 * depth + 0.06 * normal(child.id),
    }));
    const keep = new Set(
      [...scored]
        .sort((a, b) => b.score - a.score)
        .slice(0, 3)
        .map((child) => child.id),
    );
    rows.push(...scored.map((child) => ({ ...child, depth, kept: keep.has(child.id) })));
    frontier = [...keep];
  }
  return rows;
}

function populationRows(): Row[] {
  const rows: Row[] = [];
  let parents: { id: string; score: number }[] = [];
  for (let generation = 0; generation < 6; generation++) {
    const members = Array.from({ length: generation === 0 ? 12 : 8 }, (_, i) => {
      const isElite = generation > 0 && i < 2;
      const parent = generation === 0 ? undefined : parents[i % Math.min(4, parents.length)]!;
      const score = isElite
        ? parent!.score
        : (parent?.score ?? 0.5) + 0.05 * normal("member", generation, i) + (parent ? 0.015 : 0);
      return {
        id: `${generation}-${i}`,
        score,
        parent: parent?.id ?? "",
        origin: generation === 0 ? "noise" : isElite ? "elite" : "mutation",
      };
    });
    rows.push(...members.map((member) => ({ ...member, generation })));
    parents = [...members].sort((a, b) => b.score - a.score);
  }
  return rows;
}

const forestRows: Row[] = [
  { comparison: "tree of frames − linear", estimate: 0.062, low: 0.041, high: 0.083, p: 0.0004 },
  { comparison: "evoSearch − linear", estimate: 0.091, low: 0.06, high: 0.124, p: 0.0004 },
  { comparison: "particles − linear", estimate: 0.008, low: -0.014, high: 0.03, p: 0.47 },
  { comparison: "beam − linear", estimate: -0.031, low: -0.052, high: -0.009, p: 0.012 },
];

/** A tiny striped picture as a data URL. */
function picture(seed: number): string {
  const pixels = new Uint8Array(16 * 16 * 4);
  for (let i = 0; i < 256; i++) {
    const isDisc = ((i % 16) - 4 - seed) ** 2 + (Math.floor(i / 16) - 8) ** 2 < 14;
    pixels.set(isDisc ? [213, 94, 0, 255] : [40 + seed * 12, 60, 90, 255], i * 4);
  }
  return `data:image/png;base64,${Buffer.from(encodeIndexedPng(pixels, 16, 16)).toString("base64")}`;
}

const clipRows: Row[] = ["a red ball bounces", "a blue cube falls"].flatMap((row, r) =>
  ["base", "linear", "tree of frames"].map((strategy, c) => ({
    row,
    column: strategy,
    strategy,
    nfe: 128 * 2 ** c,
    score: 0.6 + 0.08 * c + 0.03 * r,
    image: picture(c + r * 3),
  })),
);

export const gallery: Readonly<Record<string, () => plot.Chart>> = {
  "nfe-versus-score": () =>
    plot.nfeVersusScore(searchRows(), {
      compare: { method: "tree of frames", baseline: "linear", low: 0.29, high: 0.41 },
      references: [{ label: "base model, one sample", y: 0.607 }],
    }),
  "nfe-versus-score-empty": () => plot.nfeVersusScore([]),
  "strategy-panels": () => plot.strategyPanels(searchRows()),
  "verifier-panels": () => plot.verifierPanels(searchRows(["oracle", "colour proxy", "ensemble"])),
  "routing-heatmap": () => plot.routingHeatmap(routingRows()),
  "routing-heatmap-layers": () => plot.routingHeatmap(routingRows(13), { panel: "layer" }),
  drift: () => plot.driftOverSegments(driftRows()),
  "drift-relative": () => plot.driftOverSegments(driftRows(), { relativeToFirst: true }),
  "ablation-shift": () =>
    plot.ablation(ablationRows(), { setting: "shift", xTitle: "shift factor s (log scale)" }),
  "ablation-top-k": () =>
    plot.ablation(topKRows(), {
      setting: "topK",
      xTitle: "chunks attended to (log scale)",
      references: [{ label: "dense", y: 0.782 }],
    }),
  "dimension-dots": () => plot.dimensionDots(dimensionRows()),
  "gain-per-dimension": () =>
    plot.gainPerDimension(dimensionRows(), { baseline: "base", method: "tree of frames" }),
  loss: () => plot.loss(lossRows()),
  "loss-by-method": () => plot.loss(forcingRows(), { by: "method" }),
  "search-tree": () => plot.searchTree(treeRows()),
  "population-lineage": () => plot.populationLineage(populationRows()),
  "paired-forest": () => plot.pairedForest(forestRows, { xTitle: "difference in score", margin: 0.02 }),
  "pareto-front": () => plot.paretoFront(searchRows()),
  "clip-grid": () => plot.clipGrid(clipRows, { caption: "score" }),
  "score-and-clips": () => plot.scoreAndClips(clipRows),
};
