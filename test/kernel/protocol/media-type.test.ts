import { describe, expect, it } from "vitest";
import {
  chartMediaType,
  drawable,
  grammarOf,
  isBundle,
  normalize,
  sniff,
} from "../../../kernel/protocol/media-type.ts";

const schema = (grammar: string, version: string): string =>
  `https://vega.github.io/schema/${grammar}/${version}.json`;

describe("chart media types", () => {
  it.each([
    [schema("vega-lite", "v6"), "application/vnd.vegalite.v5+json", schema("vega-lite", "v5")],
    [schema("vega-lite", "v6.1.0"), "application/vnd.vegalite.v5+json", schema("vega-lite", "v5")],
    [schema("vega-lite", "v4"), "application/vnd.vegalite.v4+json", schema("vega-lite", "v4")],
    [schema("vega", "v6"), "application/vnd.vega.v5+json", schema("vega", "v5")],
  ])("derives that of %s", (url, mediaType, drawn) => {
    expect(drawable({ $schema: url, mark: "bar" })).toEqual({
      mediaType,
      spec: { $schema: drawn, mark: "bar" },
    });
  });
  it("knows no other schema", () => {
    expect(grammarOf("https://json-schema.org/draft/2020-12/schema")).toBeNull();
    expect(grammarOf(undefined)).toBeNull();
    expect(chartMediaType("vega-lite", 5)).toBe("application/vnd.vegalite.v5+json");
  });
});

describe("bundles", () => {
  it("are plain objects of media types", () => {
    expect(isBundle({ "text/plain": "x", "image/svg+xml": "" })).toBe(true);
    expect(isBundle({ a: 1 })).toBe(false);
    expect(isBundle({})).toBe(false);
    expect(isBundle(new Map([["text/plain", 1]]))).toBe(false);
  });
  it("go out as JSON, with a plain text and without HTML beside a chart", () => {
    const spec = { $schema: schema("vega-lite", "v6") };
    expect(normalize({ "application/vnd.vegalite.v6+json": spec, "text/html": "x" }, () => "plain")).toEqual({
      "application/vnd.vegalite.v5+json": { $schema: schema("vega-lite", "v5") },
      "text/plain": "plain",
    });
    expect(normalize({ "image/png": new Uint8Array([1, 2, 3]), "text/plain": "p" }, () => "")).toEqual({
      "image/png": "AQID",
      "text/plain": "p",
    });
  });
  it("recognise pictures by their first bytes", () => {
    expect(sniff(new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0]))).toBe("image/png");
    expect(sniff(Buffer.from("RIFF0000WEBP"))).toBe("image/webp");
    expect(sniff(new Uint8Array(8))).toBeNull();
  });
});
