/**
 * A value -> a bundle of media types. In this order: the value's own `Symbol.for("Jupyter.display")` method, an object
 * of media types, a Vega or Vega-Lite specification (by `$schema`), the bytes of a picture, else Node's inspection.
 */
import { inspect } from "node:util";
import {
  type Bundle,
  drawable,
  isBundle,
  isChartMediaType,
  normalize,
  sniff,
} from "../protocol/media-type.ts";
import { chartPicture } from "./vega.ts";

export const DISPLAY: unique symbol = Symbol.for("Jupyter.display") as never;

/** A value that draws itself. `undefined` means "show nothing". */
export interface Displayable {
  [DISPLAY](): Bundle | undefined | null | Promise<Bundle | undefined | null>;
}

export type Rendered = Record<string, unknown> | null;

const plainText = (value: unknown): string => (typeof value === "string" ? value : inspect(value));

function displayMethod(value: unknown): (() => unknown) | null {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return null;
  const method = (value as Partial<Displayable>)[DISPLAY];
  return typeof method === "function" ? () => method.call(value) : null;
}

/** Adds a picture to a chart for front ends that cannot draw it: reports, GitHub, headless runs. */
async function withPicture(bundle: Record<string, unknown>): Promise<Record<string, unknown>> {
  const type = Object.keys(bundle).find(isChartMediaType)!;
  const picture = await chartPicture(bundle[type] as Bundle);
  return "svg" in picture
    ? { ...bundle, "image/svg+xml": picture.svg }
    : { ...bundle, "text/plain": `${String(bundle["text/plain"])}\n(no picture: ${picture.fault})` };
}

const finish = (bundle: Bundle, value: unknown): Rendered | Promise<Rendered> => {
  const named = normalize(bundle, () => {
    const chart = Object.keys(bundle).some(isChartMediaType);
    return chart ? "[chart]" : plainText(value);
  });
  const lacksPicture =
    Object.keys(named).some(isChartMediaType) && !("image/svg+xml" in named) && !("image/png" in named);
  return lacksPicture ? withPicture(named) : named;
};

function finishOwn(result: unknown, value: unknown): Rendered | Promise<Rendered> {
  if (result === undefined || result === null) return null;
  if (typeof result !== "object")
    throw new TypeError(
      `Cannot show the value as its "Jupyter.display" method must return an object of media types: got ${inspect(result)}. Return e.g. { "text/plain": "..." }.`,
    );
  return finish(result as Bundle, value);
}

/** The bundle of `value`, or null when there is nothing to show. A promise only where drawing takes time. */
export function render(value: unknown): Rendered | Promise<Rendered> {
  const own = displayMethod(value);
  if (own !== null) {
    const result = own();
    return result instanceof Promise
      ? result.then((bundle) => finishOwn(bundle, value))
      : finishOwn(result, value);
  }
  if (isBundle(value)) return finish(value, value);
  const schema = typeof value === "object" && value !== null ? (value as Bundle)["$schema"] : undefined;
  if (schema !== undefined) {
    const chart = drawable(value as Bundle);
    if (chart !== null) return finish({ [chart.mediaType]: chart.spec, "text/plain": "[chart]" }, value);
  }
  if (value instanceof Uint8Array) {
    const type = sniff(value);
    if (type !== null)
      return finish({ [type]: value, "text/plain": `${type}, ${value.byteLength} bytes` }, value);
  }
  return { "text/plain": plainText(value) };
}

/** As `render`, of a cell's last value: strings keep their quotes, `undefined` shows nothing. */
export function renderResult(value: unknown): Rendered | Promise<Rendered> {
  if (value === undefined) return null;
  return typeof value === "string" ? { "text/plain": inspect(value) } : render(value);
}
