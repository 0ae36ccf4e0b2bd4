/**
 * Two views of a search. `searchTree`: which branches Tree-of-Frames grew, kept and pruned (Video-T1, 2503.18942, Fig. 3).
 * `populationLineage`: who descends from whom over EvoSearch's generations (2505.17618, Fig. 2). In both the line that
 * leads to the selected candidate is bold.
 */
import { type Chart, chart } from "./chart.ts";
import { ancestry, places, type Relative, telling } from "./family.ts";
import {
  emptySpec,
  type FrameOptions,
  focused,
  frame,
  legendFocus,
  paddedDomain,
  pathRules,
  quantity,
  tidy,
  tip,
} from "./frame.ts";
import type { Spec } from "./render.ts";
import { extent, numberAt, type Row, type RowSource, requireColumns, rowsOf, textAt } from "./row.ts";
import { methodShapes, palette } from "./theme.ts";

export interface SearchTreeOptions extends FrameOptions {
  /** Columns; rows are nodes. A root has an empty parent. */
  readonly id?: string;
  readonly parent?: string;
  /** Column of the place along the clip (stage or chunk). */
  readonly depth?: string;
  readonly score?: string;
  /** Column that is false where the node was pruned. */
  readonly kept?: string;
  readonly depthTitle?: string;
}

export function searchTree(source: RowSource, options: SearchTreeOptions = {}): Chart {
  return chart("searchTree", rowsOf(source, "tree"), (rows) => tree(rows, options));
}

function tree(rows: readonly Row[], options: SearchTreeOptions): Spec {
  const { id = "id", parent = "parent", depth = "depth", score = "score", kept = "kept" } = options;
  const { title = "Search tree", depthTitle = "chunk" } = options;
  requireColumns("searchTree", rows, [id, parent, depth, score]);
  const all: Relative[] = rows.map((row) => ({
    id: textAt(row, id),
    parent: textAt(row, parent),
    depth: numberAt(row, depth),
    score: numberAt(row, score),
    isKept: row[kept] !== false && row[kept] !== 0,
  }));
  if (all.length === 0) return emptySpec(title, options.width ?? 480, options.height ?? 240);
  const best = ancestry(all, bestFinal(all));
  const nodes = telling(all, best);
  const place = places(nodes);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const marks = nodes.map((node) => ({
    id: node.id,
    depth: node.depth,
    place: place.get(node.id)!,
    // A candidate the verifier could not judge has no score; JSON has no NaN.
    score: Number.isFinite(node.score) ? tidy(node.score) : null,
    state: node.isKept ? "kept" : "pruned",
    onPath: best.has(node.id),
  }));
  const links = nodes.flatMap((node) => {
    const from = byId.get(node.parent);
    if (!from) return [];
    return [
      {
        depth: from.depth,
        place: place.get(from.id)!,
        depth2: node.depth,
        place2: place.get(node.id)!,
        state: node.isKept ? "kept" : "pruned",
        onPath: best.has(node.id) && best.has(from.id),
      },
    ];
  });
  const leaves = extent(place.values())[1] + 1;
  const depths = [...new Set(nodes.map((node) => node.depth))].sort((a, b) => a - b);
  const width = options.width ?? Math.max(320, Math.min(720, depths.length * 80));
  const height = options.height ?? Math.max(160, Math.min(520, leaves * 22));
  // Dots of neighbours must not cover each other where a tree has more leaves than the picture has room for.
  const size = Math.max(16, Math.min(150, Math.round(0.31 * (height / leaves) ** 2)));
  const x = quantity("depth", depthTitle, { padding: 14 }, { values: depths, format: "d", grid: false });
  const y = {
    field: "place",
    type: "quantitative",
    axis: null,
    scale: { zero: false, padding: 12, reverse: true },
  };
  const pruned = all.filter((node) => !node.isKept).length;
  const count = nodes.length < all.length ? `${nodes.length} best of ${all.length}` : `${all.length}`;
  return frame(
    {
      title,
      subtitle:
        options.subtitle ?? `${count} nodes, ${pruned} pruned (hollow). Bold: the way to the selected clip.`,
      description: `Search tree of ${all.length} nodes over ${depths.length} stages, ${pruned} pruned.`,
      datasets: { nodes: marks, links },
    },
    {
      width,
      height,
      layer: [
        treeLinks(x, y),
        {
          data: { name: "nodes" },
          transform: [{ filter: "datum.state === 'pruned'" }],
          mark: { type: "point", filled: false, size: Math.min(70, size), strokeWidth: 1.5, opacity: 0.7 },
          encoding: { x, y, ...scoreColor, tooltip: nodeTooltip(depthTitle) },
        },
        {
          data: { name: "nodes" },
          transform: [{ filter: "datum.state === 'kept'" }],
          mark: { type: "point", filled: true, size, opacity: 1 },
          encoding: { x, y, ...scoreColor, tooltip: nodeTooltip(depthTitle) },
        },
      ],
    },
  );
}

/** Links to pruned nodes are faint. */
function treeLinks(x: Spec, y: Spec): Spec {
  const rules = pathRules(x, y, { x2: "depth2", y2: "place2" }, [1.2, 4]);
  const isAlive = "datum.onPath || datum.state === 'kept'";
  const opacity = { condition: { test: isAlive, value: 0.9 }, value: 0.35 };
  return { ...rules, encoding: { ...(rules["encoding"] as Spec), opacity } };
}

const scoreColor = {
  color: {
    field: "score",
    type: "quantitative",
    title: "score",
    scale: { scheme: "viridis", zero: false },
    legend: { type: "gradient", gradientLength: 110, format: ".3~f" },
  },
};

const nodeTooltip = (depthTitle: string) => [
  tip("id", "candidate"),
  { field: "depth", type: "quantitative", title: depthTitle },
  tip("score", "score", ".4~f"),
  tip("state", "state"),
];

/** The clip that the search returned: the best of those that came to the end. */
function bestFinal(nodes: readonly Relative[]): Relative | undefined {
  const [, deepest] = extent(nodes.map((node) => node.depth));
  return nodes
    .filter((node) => node.depth === deepest && node.isKept && Number.isFinite(node.score))
    .reduce<Relative | undefined>((top, node) => (top && top.score >= node.score ? top : node), undefined);
}

export interface PopulationLineageOptions extends FrameOptions {
  readonly id?: string;
  /** Column of the parent's id; empty in the first generation. */
  readonly parent?: string;
  readonly generation?: string;
  readonly score?: string;
  /** Column of how a candidate came to be: "noise", "elite", "mutation", ... */
  readonly origin?: string;
  readonly yTitle?: string;
}

export function populationLineage(source: RowSource, options: PopulationLineageOptions = {}): Chart {
  return chart("populationLineage", rowsOf(source, "population"), (rows) => population(rows, options));
}

function population(rows: readonly Row[], options: PopulationLineageOptions): Spec {
  const {
    id = "id",
    parent = "parent",
    generation = "generation",
    score = "score",
    origin = "origin",
  } = options;
  const { width = 520, height = 300, title = "Population over generations" } = options;
  requireColumns("populationLineage", rows, [id, parent, generation, score]);
  const all = rows.map((row) => ({
    id: textAt(row, id),
    parent: textAt(row, parent),
    depth: numberAt(row, generation),
    score: numberAt(row, score),
    isKept: true,
    origin: textAt(row, origin) || "candidate",
  }));
  const judged = all.filter((node) => Number.isFinite(node.score));
  if (judged.length === 0) return emptySpec(title, width, height);
  const top = judged.reduce((best, node) => (node.score > best.score ? node : best));
  const path = ancestry(all, top);
  const nodes = telling(all, path);
  const scored = nodes.filter((node) => Number.isFinite(node.score));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const marks = scored.map((node) => ({
    id: node.id,
    generation: node.depth,
    score: tidy(node.score),
    origin: node.origin,
    onPath: path.has(node.id),
  }));
  const links = scored.flatMap((node) => {
    const from = byId.get(node.parent);
    if (!from || !Number.isFinite(from.score)) return [];
    return [
      {
        generation: from.depth,
        score: tidy(from.score),
        generation2: node.depth,
        score2: tidy(node.score),
        onPath: path.has(node.id) && path.has(from.id),
      },
    ];
  });
  const names = [...new Set(all.map((node) => node.origin))];
  const shown = nodes.length < all.length ? `${scored.length} best of ${judged.length}. ` : "";
  const generations = [...new Set(scored.map((node) => node.depth))].sort((a, b) => a - b);
  const x = quantity("generation", "generation", { padding: 18 }, { values: generations, format: "d" });
  const domain = paddedDomain(scored.map((node) => node.score));
  const y = quantity("score", options.yTitle ?? "score", { domain }, { tickCount: 6, format: ".3~f" });
  return frame(
    {
      title,
      subtitle:
        options.subtitle ?? `${shown}Lines join parent and child. Bold: the ancestors of the best candidate.`,
      description: `${judged.length} candidates over ${generations.length} generations; best score ${top.score.toPrecision(4)} in generation ${top.depth}.`,
      datasets: { members: marks, links },
    },
    {
      width,
      height,
      layer: [
        lineageLinks(x, y),
        {
          data: { name: "members" },
          params: [legendFocus("origin")],
          mark: { type: "point", filled: true },
          encoding: {
            x,
            y,
            size: { condition: { test: "datum.onPath", value: 130 }, value: 60 },
            color: {
              field: "origin",
              type: "nominal",
              title: "origin",
              scale: { domain: names, range: originColors(names) },
            },
            shape: { field: "origin", type: "nominal", title: "origin", scale: methodShapes(names) },
            opacity: focused(0.95, 0.15),
            tooltip: [
              tip("id", "candidate"),
              { field: "generation", type: "quantitative", title: "generation" },
              tip("origin", "origin"),
              tip("score", "score", ".4~f"),
            ],
          },
        },
      ],
    },
  );
}

function lineageLinks(x: Spec, y: Spec): Spec {
  const rules = pathRules(x, y, { x2: "generation2", y2: "score2" }, [1, 3]);
  const opacity = { condition: { test: "datum.onPath", value: 0.95 }, value: 0.3 };
  return { ...rules, encoding: { ...(rules["encoding"] as Spec), opacity } };
}

function originColors(names: readonly string[]): string[] {
  const known: Readonly<Record<string, string>> = {
    root: palette.grey,
    noise: palette.grey,
    elite: palette.orange,
    mutate: palette.green,
    mutation: palette.green,
    fork: palette.purple,
    resample: palette.sky,
    candidate: palette.blue,
  };
  const rest = [palette.blue, palette.vermillion];
  let next = 0;
  return names.map((name) => known[name] ?? rest[next++ % rest.length]!);
}
