/** Types of what a cell finds without importing it, as the language service reads them. Implemented in `kernel/child/`. */

export const GLOBAL_DECLARATIONS = `
/** A value that draws itself: the method \`Symbol.for("Jupyter.display")\` returns an object of media types. */
interface DisplayOptions {
  /** Name of the place: a second display with this id in the same cell replaces what the first one showed. */
  readonly id?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Replace what any earlier cell shows under \`id\`, instead of showing it here. */
  readonly update?: boolean;
}
/** A place in the output. Updates are thinned to ten a second; the last one always arrives. */
interface DisplayHandle {
  readonly id: string;
  update(value: unknown): void;
}
/** Shows a value here and now. With an \`id\` it can be replaced in place later. */
declare function display(value: unknown, options?: DisplayOptions): DisplayHandle;
/** Clears the output of the cell; with \`wait\` only when the next output comes. */
declare function clearOutput(wait?: boolean | { readonly wait?: boolean }): void;
/** Asks in the front end and blocks until the answer is there. */
declare function prompt(text?: string, options?: string | { readonly password?: boolean }): string;
/** Asks in the front end; other code runs until the answer is there. */
declare function input(text?: string, options?: { readonly password?: boolean }): Promise<string>;
type TypeCheckMode = "error" | "warn" | "off";
interface CommMessage {
  readonly data: any;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly buffers: readonly Uint8Array[];
}
interface CommParts {
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Any typed array or buffer; its bytes are sent as they lie in memory. */
  readonly buffers?: readonly (ArrayBufferView | ArrayBufferLike)[];
}
interface Comm {
  readonly id: string;
  readonly target: string;
  send(data: unknown, parts?: CommParts): void;
  close(data?: unknown, parts?: CommParts): void;
  onMessage(listener: (message: CommMessage) => unknown): void;
  onClose(listener: (message: CommMessage) => unknown): void;
}
/** The kernel that runs this cell. */
declare const kernel: {
  /** Aborts when the stop button is pressed; a new signal for each cell. Pass it to library code that takes long. */
  readonly signal: AbortSignal;
  /** What a type error does, from the next cell on: fail the cell, print a warning, nothing. */
  typeCheck: TypeCheckMode;
  /** Channels to widgets of the front end. */
  readonly comm: {
    open(target: string, data?: unknown, parts?: CommParts & { readonly id?: string }): Comm;
    register(target: string, accept: (comm: Comm, opened: CommMessage) => unknown): void;
  };
};
/** A value that draws itself by its method \`Symbol.for("Jupyter.display")\`. */
interface Displayable {}
type DisplayText = (text: string | TemplateStringsArray, ...values: unknown[]) => Displayable;
/** Raw HTML, as a function or a template tag; what it interpolates is not escaped. */
declare const html: DisplayText;
/** Markdown. */
declare const md: DisplayText;
/** LaTeX with its own delimiters. */
declare const latex: DisplayText;
/** An SVG drawing as a picture. */
declare const svg: DisplayText;
/** A PNG file, as bytes or base64. */
declare function png(data: Uint8Array | string): Displayable;
/** A value as a tree that the front end folds and unfolds. */
declare function json(value: unknown): Displayable;
/** A Vega-Lite specification as a chart. */
declare function vegaLite(spec: object): Displayable;
/** Rows as a table. */
declare function table(
  rows: Iterable<object>,
  options?: { readonly columns?: readonly string[]; readonly limit?: number },
): Displayable;
interface ProgressOptions {
  readonly label?: string;
  /** Number of steps; known by itself for arrays, sets and maps. */
  readonly total?: number;
}
interface ProgressBar {
  readonly done: number;
  advance(steps?: number, note?: string): void;
  finish(): void;
}
/** A progress bar that updates in place: \`for (const x of progress(items))\`, or moved by hand. */
declare function progress(total: number, options?: ProgressOptions): ProgressBar;
declare function progress<T>(source: Iterable<T>, options?: ProgressOptions): Iterable<T>;
declare function progress<T>(source: AsyncIterable<T>, options?: ProgressOptions): AsyncIterable<T>;
interface MemoryReport {
  readonly heapUsed: number;
  readonly heapLimit: number;
  readonly arrayBuffers: number;
  readonly rss: number;
  readonly tensors: number;
  readonly variables: readonly { readonly name: string; readonly kind: string; readonly bytes: number; readonly tensors: number }[];
}
/** What the process holds, by variable. */
declare function memory(): MemoryReport;
/** Lets go of the value of a variable; disposes it where it has Symbol.dispose and no other variable holds it. */
declare function drop(name: string): void;
declare module "tslab" {
  interface Display {
    javascript(code: string): void;
    html(markup: string): void;
    markdown(text: string): void;
    latex(text: string): void;
    svg(drawing: string): void;
    png(bytes: string | Uint8Array): void;
    jpeg(bytes: string | Uint8Array): void;
    gif(bytes: string | Uint8Array): void;
    pdf(bytes: string | Uint8Array): void;
    text(text: string): void;
    raw(mediaType: string, data: string | Uint8Array): void;
  }
  /** Shows one media type. */
  const display: Display;
  /** A place whose later calls replace what it shows. */
  function newDisplay(): Display;
  const versions: { readonly tslab: string; readonly typescript: string; readonly node: string };
}
`;
