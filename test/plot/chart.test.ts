import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chart, isChart } from "../../src/plot/chart.ts";
import { paddedDomain, spreadLabels } from "../../src/plot/frame.ts";
import { encodeIndexedPng } from "../../src/plot/indexed-png.ts";
import * as plot from "../../src/plot/plot.ts";
import { rasterize } from "../../src/plot/render.ts";
import { extent, type Row } from "../../src/plot/row.ts";
import { bandNote, meanInterval, seriesPoints, studentQuantile } from "../../src/plot/series.ts";
import { ink, methodColors, palette } from "../../src/plot/theme.ts";
import { searchRows } from "./gallery.ts";

const sharp = createRequire(import.meta.url)("sharp") as typeof import("sharp").default;
const display = Symbol.for("Jupyter.display");

describe("a chart", () => {
  const made = plot.nfeVersusScore(searchRows());

  it("shows as live Vega with a PNG and a sentence, never as HTML", () => {
    const bundle = made[display]!();
    expect(Object.keys(bundle)).toEqual(["application/vnd.vegalite.v5+json", "image/png", "text/plain"]);
    expect(Buffer.from(String(bundle["image/png"]), "base64").subarray(1, 4).toString()).toBe("PNG");
    expect(bundle["text/plain"]).toContain("Line chart of score against NFE");
  });

  it("drops the picture when live, and keeps everything else", () => {
    expect(Object.keys(made.live()[display]!())).toEqual(["application/vnd.vegalite.v5+json", "text/plain"]);
    expect(made.live().spec).toEqual(made.spec);
    expect(Object.keys(made.live().update([])[display]!())).not.toContain("image/png");
  });

  it("is the same value over other rows after update", () => {
    const empty = plot.nfeVersusScore([]);
    expect(empty.description).toBe("Score against compute: no rows yet.");
    expect(empty.update(searchRows()).spec).toEqual(made.spec);
    expect(isChart(empty)).toBe(true);
    expect(isChart({ spec: {} })).toBe(false);
  });

  it("takes a run as well as rows", () => {
    const asked: string[] = [];
    const run = {
      rows: (kind: string) => {
        asked.push(kind);
        return searchRows();
      },
    };
    expect(plot.nfeVersusScore(run).spec).toEqual(made.spec);
    expect(asked).toEqual(["search"]);
  });

  it("does not change when it is drawn", () => {
    const before = JSON.stringify(made.spec);
    made.png();
    expect(JSON.stringify(made.spec)).toBe(before);
    expect(Object.getOwnPropertySymbols((made.spec["datasets"] as { points: object[] }).points[0]!)).toEqual(
      [],
    );
  });

  it("builds its spec from rows alone", () => {
    const counted = chart("count", [{ a: 1 }], (rows) => ({ description: `${rows.length} rows` }));
    expect(counted.update([{ a: 1 }, { a: 2 }]).description).toBe("2 rows");
  });
});

describe("bad input", () => {
  it("names the missing column and what there is", () => {
    expect(() => plot.nfeVersusScore([{ strategy: "linear", nfe: 1 }])).toThrow(
      'Cannot draw nfeVersusScore without the column "score": the rows have "strategy", "nfe". Name another column in the options.',
    );
  });

  it("leaves rows that are not finite out and says so", () => {
    const rows = [...searchRows(), { strategy: "linear", n: 1, nfe: 128, seed: 0, score: Number.NaN }];
    const made = plot.nfeVersusScore(rows);
    expect(JSON.stringify(made.spec["title"])).toContain("1 of 241 rows left out: not a finite number.");
    expect(JSON.stringify(made.spec["datasets"])).not.toContain("null");
  });

  it.each([undefined, {}, { setting: undefined }, { setting: 3 }, { setting: "" }])(
    "asks what was varied where an ablation is told %j",
    (options) => {
      const draw = plot.ablation as (rows: readonly Row[], options: unknown) => unknown;
      expect(() => draw(searchRows(), options)).toThrow(
        /^Cannot draw ablation as "setting" must name the column of what was varied: got (undefined|3|"")\. Give it, as in ablation\(rows, \{ setting: "shift" \}\)\.$/,
      );
    },
  );

  it("refuses a comparison with a method that is absent", () => {
    expect(() =>
      plot.nfeVersusScore(searchRows(), { compare: { method: "magic", baseline: "linear" } }),
    ).toThrow('Cannot compare with "magic": the chart has "linear"');
  });

  it("refuses pictures that would have to be loaded", () => {
    expect(() => plot.clipGrid([{ row: "a", column: "b", image: "https://example.org/x.png" }])).toThrow(
      "every picture must be a data:image/ URL",
    );
  });

  it("says in the subtitle that the verifier which selected is also reported", () => {
    const rows = searchRows().map((row) => ({ ...row, verifier: "world score" }));
    expect(JSON.stringify(plot.nfeVersusScore(rows).spec["title"])).toContain(
      "The reported score is the verifier that selected.",
    );
  });
});

describe("means and bands", () => {
  it("gives Student's interval: a textbook sample", () => {
    // Mean 5, sd sqrt(2.5), n 5: half width 2.7764 * sqrt(0.5).
    const { mean, low, high } = meanInterval([3, 4, 5, 6, 7]);
    expect(mean).toBe(5);
    expect(high - mean).toBeCloseTo(2.7764 * Math.sqrt(0.5), 4);
    expect(mean - low).toBeCloseTo(high - mean, 12);
  });

  it("continues the table of quantiles smoothly (tabled: 2.0395 at 31, 1.9840 at 100)", () => {
    expect(studentQuantile(31)).toBeCloseTo(2.0395, 3);
    expect(studentQuantile(100)).toBeCloseTo(1.984, 3);
  });

  it("averages the rows of a unit before the interval", () => {
    const rows = [
      { by: "a", x: 1, y: 1, seed: 0 },
      { by: "a", x: 1, y: 3, seed: 0 },
      { by: "a", x: 1, y: 4, seed: 1 },
    ];
    const [point] = seriesPoints(rows, { x: "x", y: "y", by: "by", unit: "seed", band: "ci95" });
    expect(point).toMatchObject({ mean: 3, units: 2 });
    // Two units are too few for a band, and the chart says so.
    expect(point).toMatchObject({ low: 3, high: 3 });
    expect(bandNote([point!], "seed", "ci95")).toBe("Mean of 2 seeds: too few for a band.");
  });

  it("tells no ends of an interval where there is none", () => {
    const tips = (seeds: readonly number[]) =>
      JSON.stringify(
        plot.nfeVersusScore(
          seeds.flatMap((seed) =>
            [1, 2].map((nfe) => ({ strategy: "linear", seed, nfe, score: seed + nfe })),
          ),
        ).spec,
      ).includes("95 % low");
    expect([tips([0, 1]), tips([0, 1, 2])]).toEqual([false, true]);
  });
});

describe("domains", () => {
  it("take any number of values", () => {
    const values = Array.from({ length: 300_000 }, (_, i) => i);
    expect(extent(values)).toEqual([0, 299_999]);
    expect(extent([])).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    expect(paddedDomain([...values, Number.NaN], 0)).toEqual([0, 299_999]);
    expect(paddedDomain([])).toEqual([0, 1]);
  });
});

describe("labels", () => {
  it("keep their order and distance and stay inside where they fit", () => {
    const positions = fc.array(fc.double({ min: 0, max: 300, noNaN: true }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(positions, (given) => {
        const placed = spreadLabels(given, 15, 300);
        const order = given.map((_, i) => i).sort((a, b) => given[a]! - given[b]! || a - b);
        for (let i = 1; i < order.length; i++) {
          expect(placed[order[i]!]! - placed[order[i - 1]!]!).toBeGreaterThanOrEqual(15 - 1e-9);
        }
        for (const at of placed) {
          expect(at).toBeGreaterThanOrEqual(-1e-9);
          expect(at).toBeLessThanOrEqual(300 + 1e-9);
        }
      }),
    );
  });

  it("stay where they are when nothing touches", () => {
    expect(spreadLabels([10, 100, 50], 15, 300)).toEqual([10, 100, 50]);
  });
});

describe("colour", () => {
  const channel = (value: number) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = (hex: string) =>
    [1, 3, 5]
      .map((at) => channel(Number.parseInt(hex.slice(at, at + 2), 16) / 255))
      .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i]!, 0);
  const contrast = (a: string, b: string) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
    return (high + 0.05) / (low + 0.05);
  };

  it.each([...Object.entries(palette), ["ink", ink] as const])(
    "%s has 3:1 contrast on white and on #111111",
    (_, hex) => {
      expect(contrast(hex, "#ffffff")).toBeGreaterThanOrEqual(3);
      expect(contrast(hex, "#111111")).toBeGreaterThanOrEqual(3);
    },
  );

  it("belongs to the method, whatever else is in the chart", () => {
    const of = (names: string[], name: string) => {
      const { domain, range } = methodColors(names);
      return range[domain.indexOf(name)];
    };
    expect(of(["linear", "treeOfFrames"], "treeOfFrames")).toBe(
      of(["tree of frames", "mine"], "tree of frames"),
    );
    expect(of(["mine", "linear"], "mine")).not.toBe(of(["mine", "linear"], "linear"));
    expect(new Set(methodColors(["a", "b", "c", "d", "e", "f", "g"]).range).size).toBe(7);
  });
});

describe("the indexed PNG", () => {
  it("keeps the colour of what is pale", async () => {
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="2" height="2"><rect width="2" height="2" fill="#0072b2" opacity="0.2"/></svg>';
    const [red, green, blue, alpha] = await sharp(rasterize(svg)).ensureAlpha().raw().toBuffer();
    expect(alpha).toBe(51);
    // A fifth of 256 levels is left of each channel.
    for (const [value, wanted] of [
      [red, 0x00],
      [green, 0x72],
      [blue, 0xb2],
    ])
      expect(Math.abs(value! - wanted!)).toBeLessThanOrEqual(3);
  });

  it("is exact up to 256 colours, transparency included", async () => {
    const pixels = new Uint8Array(16 * 16 * 4);
    for (let i = 0; i < 256; i++) pixels.set([i, 255 - i, (i * 7) % 256, i % 5 === 0 ? 128 : 255], i * 4);
    const { data, info } = await sharp(encodeIndexedPng(pixels, 16, 16))
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([16, 16, 4]);
    expect([...data]).toEqual([...pixels]);
  });

  it("takes the nearest of 256 colours beyond that", async () => {
    // Fifteen of sixteen pixels are one of 256 greys; the rest are a shade beside one, as at the edge of a line.
    const pixels = new Uint8Array(64 * 64 * 4);
    for (let i = 0; i < 4096; i++)
      pixels.set([i >> 4, i >> 4, Math.min(255, (i >> 4) + (i % 16 === 0 ? 1 : 0)), 255], i * 4);
    const data = await sharp(encodeIndexedPng(pixels, 64, 64))
      .removeAlpha()
      .raw()
      .toBuffer();
    let worst = 0;
    for (let i = 0; i < data.length; i++)
      worst = Math.max(worst, Math.abs(data[i]! - pixels[i + Math.floor(i / 3)]!));
    expect(worst).toBe(1);
    expect(data.length).toBe(64 * 64 * 3);
  });
});
