/**
 * Media types of outputs. JupyterLab 4 draws Vega up to 5 and Vega-Lite up to 5 and knows no later media type, so a
 * chart goes out under the media type of version 5 with the `$schema` of version 5, whatever version wrote it.
 */

export type Bundle = Readonly<Record<string, unknown>>;

export type Grammar = "vega" | "vega-lite";

const SCHEMA = /^https?:\/\/vega\.github\.io\/schema\/(vega|vega-lite)\/v(\d+)(?:\.[\d.]+)?\.json$/;
const NEWEST_DRAWN = 5;

/** Grammar and major version that a `$schema` URL names; null for any other URL. */
export function grammarOf(schema: unknown): { grammar: Grammar; version: number } | null {
  const match = typeof schema === "string" ? SCHEMA.exec(schema) : null;
  return match === null ? null : { grammar: match[1] as Grammar, version: Number(match[2]) };
}

/** Media type of a chart: `vega-lite/v6.json` -> `application/vnd.vegalite.v5+json`. */
export const chartMediaType = (grammar: Grammar, version: number): string =>
  `application/vnd.${grammar.replace("-", "")}.v${Math.min(version, NEWEST_DRAWN)}+json`;

/** The specification with a `$schema` that front ends draw. */
export function drawable(spec: Bundle): { mediaType: string; spec: Bundle } | null {
  const found = grammarOf(spec["$schema"]);
  if (found === null) return null;
  const version = Math.min(found.version, NEWEST_DRAWN);
  return {
    mediaType: chartMediaType(found.grammar, version),
    spec: { ...spec, $schema: `https://vega.github.io/schema/${found.grammar}/v${version}.json` },
  };
}

export const isChartMediaType = (type: string): boolean =>
  /^application\/vnd\.vega(lite)?\.v\d+\+json$/.test(type);

/** `type/subtype`, with structured suffixes and parameters. */
const MEDIA_TYPE = /^[a-z]+\/[\w.+-]+(;.*)?$/i;

/** A plain object whose every key is a media type. */
export function isBundle(value: unknown): value is Bundle {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  const keys = Object.keys(value);
  return keys.length > 0 && keys.every((key) => MEDIA_TYPE.test(key));
}

/** Media type of the first bytes of a picture or document; null when they say nothing. */
export function sniff(bytes: Uint8Array): string | null {
  const starts = (...magic: number[]): boolean => magic.every((byte, at) => bytes[at] === byte);
  if (starts(0x89, 0x50, 0x4e, 0x47)) return "image/png";
  if (starts(0xff, 0xd8, 0xff)) return "image/jpeg";
  if (starts(0x47, 0x49, 0x46, 0x38)) return "image/gif";
  if (starts(0x25, 0x50, 0x44, 0x46)) return "application/pdf";
  if (starts(0x52, 0x49, 0x46, 0x46) && String.fromCharCode(...bytes.subarray(8, 12)) === "WEBP")
    return "image/webp";
  return null;
}

/**
 * A bundle as JSON: bytes become base64, `text/plain` is never missing, later chart types are brought to version 5,
 * and `text/html` goes where a chart is, as JupyterLab would show the HTML and hide the chart.
 */
export function normalize(bundle: Bundle, plain: () => string): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [type, value] of Object.entries(bundle)) {
    if (value === undefined || value === null) continue;
    if (isChartMediaType(type) && typeof value === "object") {
      const chart = drawable(value as Bundle);
      if (chart !== null) {
        out[chart.mediaType] = chart.spec;
        continue;
      }
    }
    out[type] =
      value instanceof Uint8Array
        ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")
        : value;
  }
  if (Object.keys(out).some(isChartMediaType)) delete out["text/html"];
  if (out["text/plain"] === undefined) out["text/plain"] = plain();
  return out;
}
