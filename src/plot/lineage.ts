/**
 * Two views of a search. `searchTree`: which branches Tree-of-Frames grew, kept and pruned (Video-T1, 2503.18942, Fig. 3).
 * `populationLineage`: who descends from whom over EvoSearch's generations (2505.17618, Fig. 2). In both the line that
 * leads to the selected candidate is bold.
 */
import { type Chart, chart } from "./chart.ts";
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

interface Node {
  readonly id: string;
  readonly parent: string;
  readonly depth: number;
  readonly score: number;
  readonly isKept: boolean;
}

export function searchTree(source: RowSource, options: SearchTreeOptions = {}): Chart {
  return chart("searchTree", rowsOf(source, "tree"), (rows) => tree(rows, options));
}

function tree(rows: readonly Row[], options: SearchTreeOptions): Spec {
  const { id = "id", parent = "parent", depth = "depth", score = "score", kept = "kept" } = options;
  const { title = "Search tree", depthTitle = "chunk" } = options;
  requireColumns("searchTree", rows, [id, parent, depth, score]);
  const nodes: Node[] = rows.map((row) => ({
    id: textAt(row, id),
    parent: textAt(row, parent),
    depth: numberAt(row, depth),
    score: numberAt(row, score),
    isKept: row[kept] !== false && row[kept] !== 0,
  }));
  if (nodes.length === 0) return emptySpec(title, options.width ?? 480, options.height ?? 240);
  const place = layout(nodes);
  const best = bestPath(nodes);
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
  const x = quantity("depth", depthTitle, { padding: 14 }, { values: depths, format: "d", grid: false });
  const y = {
    field: "place",
    type: "quantitative",
    axis: null,
    scale: { zero: false, padding: 12, reverse: true },
  };
  const pruned = nodes.filter((node) => !node.isKept).length;
  return frame(
    {
      title,
      subtitle:
        options.subtitle ??
        `${nodes.length} nodes, ${pruned} pruned (hollow). Bold: the way to the selected clip.`,
      description: `Search tree of ${nodes.length} nodes over ${depths.length} stages, ${pruned} pruned.`,
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
          mark: { type: "point", filled: false, size: 70, strokeWidth: 1.5, opacity: 0.7 },
          encoding: { x, y, ...scoreColor, tooltip: nodeTooltip(depthTitle) },
        },
        {
          data: { name: "nodes" },
          transform: [{ filter: "datum.state === 'kept'" }],
          mark: { type: "point", filled: true, size: 150, opacity: 1 },
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

/** Leaves get consecutive places in order of appearance, a parent the middle of its children. */
function layout(nodes: readonly Node[]): Map<string, number> {
  const known = new Set(nodes.map((node) => node.id));
  const children = new Map<string, string[]>();
  for (const node of nodes) {
    const key = known.has(node.parent) && node.parent !== node.id ? node.parent : "";
    children.set(key, [...(children.get(key) ?? []), node.id]);
  }
  const place = new Map<string, number>();
  let next = 0;
  const visit = (id: string): number => {
    const own = children.get(id) ?? [];
    const places = own.filter((child) => !place.has(child)).map(visit);
    const value = places.length === 0 ? next++ : (places[0]! + places.at(-1)!) / 2;
    place.set(id, value);
    return value;
  };
  for (const root of children.get("") ?? []) visit(root);
  // A cycle hangs on no root; it is drawn flat rather than dropped.
  for (const node of nodes) if (!place.has(node.id)) place.set(node.id, next++);
  return place;
}

function bestPath(nodes: readonly Node[]): Set<string> {
  const [, deepest] = extent(nodes.map((node) => node.depth));
  const finals = nodes.filter((node) => node.depth === deepest && node.isKept && Number.isFinite(node.score));
  const path = new Set<string>();
  if (finals.length === 0) return path;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  let at: Node | undefined = finals.reduce((top, node) => (node.score > top.score ? node : top));
  while (at && !path.has(at.id)) {
    path.add(at.id);
    at = byId.get(at.parent);
  }
  return path;
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
  const nodes: Node[] = rows.map((row) => ({
    id: textAt(row, id),
    parent: textAt(row, parent),
    depth: numberAt(row, generation),
    score: numberAt(row, score),
    isKept: true,
  }));
  const scored = nodes.filter((node) => Number.isFinite(node.score));
  if (scored.length === 0) return emptySpec(title, width, height);
  const origins = rows.map((row) => textAt(row, origin) || "candidate");
  const top = scored.reduce((best, node) => (node.score > best.score ? node : best));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const path = new Set<string>();
  for (let at: Node | undefined = top; at && !path.has(at.id); at = byId.get(at.parent)) path.add(at.id);
  const marks = nodes.flatMap((node, i) =>
    Number.isFinite(node.score)
      ? [
          {
            id: node.id,
            generation: node.depth,
            score: tidy(node.score),
            origin: origins[i]!,
            onPath: path.has(node.id),
          },
        ]
      : [],
  );
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
  const names = [...new Set(origins)];
  const generations = [...new Set(scored.map((node) => node.depth))].sort((a, b) => a - b);
  const x = quantity("generation", "generation", { padding: 18 }, { values: generations, format: "d" });
  const domain = paddedDomain(scored.map((node) => node.score));
  const y = quantity("score", options.yTitle ?? "score", { domain }, { tickCount: 6, format: ".3~f" });
  return frame(
    {
      title,
      subtitle: options.subtitle ?? "Lines join parent and child. Bold: the ancestors of the best candidate.",
      description: `${scored.length} candidates over ${generations.length} generations; best score ${top.score.toPrecision(4)} in generation ${top.depth}.`,
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
