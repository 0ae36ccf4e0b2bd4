/** A progress bar that updates in place: around anything that is iterated, or moved by hand. */
import { type DisplayHandle, display } from "./display.ts";
import { displayable, escapeHtml } from "./displayable.ts";
import type { Displayable } from "./render.ts";

export interface ProgressOptions {
  readonly label?: string;
  /** Number of steps; known by itself for arrays, sets and maps. */
  readonly total?: number;
}

export interface ProgressBar {
  /** Steps done so far. */
  readonly done: number;
  /** Goes on by `steps`, and shows `note` behind the numbers. */
  advance(steps?: number, note?: string): void;
  /** Shows the bar as finished. */
  finish(): void;
}

const WIDTH = 24;

const duration = (seconds: number): string =>
  seconds < 60
    ? `${seconds.toFixed(1)} s`
    : `${Math.floor(seconds / 60)} min ${String(Math.round(seconds % 60)).padStart(2, "0")} s`;

interface State {
  readonly label: string;
  readonly total: number | undefined;
  readonly done: number;
  readonly seconds: number;
  readonly note: string;
}

function draw({ label, total, done, seconds, note }: State): Displayable {
  const share = total === undefined || total === 0 ? null : Math.min(1, done / total);
  const left =
    share === null || done === 0 || share === 1 ? "" : `, ${duration((seconds / share) * (1 - share))} left`;
  const rate = seconds > 0 ? `, ${(done / seconds).toPrecision(3)}/s` : "";
  const numbers = `${done}${total === undefined ? "" : `/${total}`} [${duration(seconds)}${left}${rate}]${note === "" ? "" : ` ${note}`}`;
  const title = label === "" ? "" : `${label} `;
  const filled = Math.round((share ?? 0) * WIDTH);
  const bar =
    share === null ? "" : `${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} ${Math.floor(share * 100)}% `;
  const element = share === null ? "<progress></progress>" : `<progress value="${share}" max="1"></progress>`;
  return displayable({
    "text/html": `<div>${escapeHtml(title)}${element} ${escapeHtml(numbers)}</div>`,
    "text/plain": `${title}${bar}${numbers}`,
  });
}

function bar({ label = "", total }: ProgressOptions): ProgressBar {
  const started = performance.now();
  let done = 0;
  let note = "";
  let handle: DisplayHandle | null = null;
  const state = (): Displayable =>
    draw({ label, total, done, note, seconds: (performance.now() - started) / 1000 });
  const show = (): void => {
    if (handle === null) handle = display(state());
    else handle.update(state());
  };
  show();
  return {
    get done() {
      return done;
    },
    advance(steps = 1, text = note) {
      done += steps;
      note = text;
      show();
    },
    finish: show,
  };
}

function sizeOf(source: object): number | undefined {
  const { length, size } = source as { length?: unknown; size?: unknown };
  return typeof length === "number" ? length : typeof size === "number" ? size : undefined;
}

function* overSync<T>(source: Iterable<T>, options: ProgressOptions): Generator<T> {
  const shown = bar(options);
  for (const item of source) {
    yield item;
    shown.advance();
  }
  shown.finish();
}

async function* overAsync<T>(source: AsyncIterable<T>, options: ProgressOptions): AsyncGenerator<T> {
  const shown = bar(options);
  for await (const item of source) {
    yield item;
    shown.advance();
  }
  shown.finish();
}

/** `for (const x of progress(items))`, `for await (const x of progress(stream, { total }))`, `const bar = progress(100)`. */
export function progress(total: number, options?: ProgressOptions): ProgressBar;
export function progress<T>(source: Iterable<T>, options?: ProgressOptions): Iterable<T>;
export function progress<T>(source: AsyncIterable<T>, options?: ProgressOptions): AsyncIterable<T>;
export function progress<T>(
  source: number | Iterable<T> | AsyncIterable<T>,
  options: ProgressOptions = {},
): ProgressBar | Iterable<T> | AsyncIterable<T> {
  if (typeof source === "number") return bar({ ...options, total: source });
  const total = options.total ?? sizeOf(source);
  const known = { ...options, ...(total === undefined ? {} : { total }) };
  return Symbol.asyncIterator in source ? overAsync(source, known) : overSync(source, known);
}
