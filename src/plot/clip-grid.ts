/**
 * Clips beside numbers. `clipGrid` lays pictures (contact sheets or animated previews, as data URLs) out by two columns
 * of the rows; `scoreAndClips` is a scatter whose pointed-at candidate is shown beside it.
 */
import { type Chart, chart } from "./chart.ts";
import { emptySpec, type FrameOptions, frame, paddedDomain, quantity, seriesCues } from "./frame.ts";
import type { Spec } from "./render.ts";
import { numberAt, type Row, type RowSource, requireColumns, rowsOf, textAt } from "./row.ts";
import { ink } from "./theme.ts";

export interface ClipGridOptions extends FrameOptions {
  /** Column of the picture: a `data:image/...` URL. */
  readonly image?: string;
  /** Column across and column down; default "column" and "row". */
  readonly column?: string;
  readonly row?: string;
  /** Column printed under each picture. */
  readonly caption?: string;
  /** Size of one picture in pixels. */
  readonly cellWidth?: number;
  readonly cellHeight?: number;
}

/** @throws TypeError when a picture is not a data URL: a chart must not load anything. */
export function clipGrid(source: RowSource, options: ClipGridOptions = {}): Chart {
  return chart("clipGrid", rowsOf(source, "clips"), (rows) => grid(rows, options));
}

function requirePictures(name: string, rows: readonly Row[], image: string): void {
  const bad = rows.findIndex((row) => !textAt(row, image).startsWith("data:image/"));
  if (bad >= 0) {
    throw new TypeError(
      `Cannot draw ${name} as every picture must be a data:image/ URL: row ${bad} has "${textAt(rows[bad]!, image).slice(0, 40)}". Encode the clip first.`,
    );
  }
}

function grid(rows: readonly Row[], options: ClipGridOptions): Spec {
  const {
    image = "image",
    column = "column",
    row = "row",
    caption,
    cellWidth = 96,
    cellHeight = 96,
  } = options;
  const { title = "Clips" } = options;
  requireColumns("clipGrid", rows, [image, column, row]);
  if (rows.length === 0) return emptySpec(title, 300, 120);
  requirePictures("clipGrid", rows, image);
  const cells = rows.map((cell) => ({
    image: textAt(cell, image),
    column: textAt(cell, column),
    row: textAt(cell, row),
    caption: caption ? shown(cell[caption]) : "",
  }));
  const captionSpace = caption ? 18 : 0;
  const x = {
    field: "column",
    type: "nominal",
    sort: null,
    title: null,
    axis: {
      orient: "top",
      labelAngle: 0,
      ticks: false,
      domain: false,
      labelFontSize: 12,
      labelLimit: cellWidth,
    },
  };
  const y = {
    field: "row",
    type: "nominal",
    sort: null,
    title: null,
    axis: { ticks: false, domain: false, labelFontSize: 12, labelLimit: 220 },
  };
  return frame(
    {
      title,
      subtitle: options.subtitle,
      description: `Grid of ${cells.length} clips by ${column} and ${row}.`,
      datasets: { cells },
    },
    {
      data: { name: "cells" },
      width: { step: cellWidth + 10 },
      height: { step: cellHeight + 10 + captionSpace },
      layer: [
        {
          mark: {
            type: "image",
            width: cellWidth,
            height: cellHeight,
            aspect: false,
            yOffset: -captionSpace / 2,
          },
          encoding: { x, y, url: { field: "image", type: "nominal" } },
        },
        ...(caption
          ? [
              {
                mark: {
                  type: "text",
                  baseline: "top",
                  dy: cellHeight / 2 - captionSpace / 2 + 4,
                  fontSize: 11,
                  color: ink,
                },
                encoding: { x, y, text: { field: "caption", type: "nominal" } },
              },
            ]
          : []),
      ],
    },
  );
}

function shown(value: Row[string]): string {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toFixed(3);
  return value === undefined || value === null ? "" : String(value);
}

export interface ScoreAndClipsOptions extends FrameOptions {
  readonly x?: string;
  readonly score?: string;
  readonly by?: string;
  readonly image?: string;
  readonly clipWidth?: number;
  readonly clipHeight?: number;
  readonly xTitle?: string;
  readonly yTitle?: string;
}

/** Points at the left; the clip of the point under the pointer (at first: the best) at the right. */
export function scoreAndClips(source: RowSource, options: ScoreAndClipsOptions = {}): Chart {
  return chart("scoreAndClips", rowsOf(source, "clips"), (rows) => linked(rows, options));
}

function linked(rows: readonly Row[], options: ScoreAndClipsOptions): Spec {
  const { x = "nfe", score = "score", by = "strategy", image = "image" } = options;
  const {
    width = 400,
    height = 280,
    clipWidth = 260,
    clipHeight = 260,
    title = "Scores and their clips",
  } = options;
  requireColumns("scoreAndClips", rows, [x, score, by, image]);
  const marks = rows
    .filter((row) => Number.isFinite(numberAt(row, x)) && Number.isFinite(numberAt(row, score)))
    .map((row, i) => ({
      clip: i,
      x: numberAt(row, x),
      score: numberAt(row, score),
      series: textAt(row, by),
      image: textAt(row, image),
      caption: `${textAt(row, by)}: ${shown(row[score])}`,
    }));
  if (marks.length === 0) return emptySpec(title, width, height);
  requirePictures("scoreAndClips", rows, image);
  const best = marks.reduce((top, mark) => (mark.score > top.score ? mark : top));
  const names = [...new Set(marks.map((mark) => mark.series))];
  const domain = paddedDomain(marks.map((mark) => mark.score));
  const picked = [{ filter: { param: "pick", empty: false } }];
  return frame(
    {
      title,
      subtitle: options.subtitle ?? "Point at a candidate to see its clip.",
      description: `Scatter of ${marks.length} candidates with the clip of the selected one; best is ${best.caption}.`,
      datasets: { marks },
    },
    {
      data: { name: "marks" },
      hconcat: [
        {
          width,
          height,
          params: [
            {
              name: "pick",
              select: { type: "point", fields: ["clip"], on: "mouseover", nearest: true, clear: false },
              value: [{ clip: best.clip }],
            },
          ],
          mark: { type: "point", filled: true },
          encoding: {
            x: {
              field: "x",
              type: "quantitative",
              title: options.xTitle ?? (x === "nfe" ? "NFE" : x),
              scale: { zero: false, padding: 10 },
            },
            y: quantity("score", options.yTitle ?? score, { domain }),
            ...seriesCues(names),
            size: { condition: { param: "pick", empty: false, value: 240 }, value: 60 },
            opacity: { condition: { param: "pick", empty: false, value: 1 }, value: 0.6 },
          },
        },
        {
          width: clipWidth,
          height,
          layer: [
            {
              transform: picked,
              mark: { type: "image", width: clipWidth, height: clipHeight },
              encoding: {
                x: { value: clipWidth / 2 },
                y: { value: clipHeight / 2 },
                url: { field: "image", type: "nominal" },
              },
            },
            {
              transform: picked,
              mark: { type: "text", baseline: "top", fontSize: 12, color: ink },
              encoding: {
                x: { value: clipWidth / 2 },
                y: { value: clipHeight + 8 },
                text: { field: "caption", type: "nominal" },
              },
            },
          ],
        },
      ],
      spacing: 28,
    },
  );
}
