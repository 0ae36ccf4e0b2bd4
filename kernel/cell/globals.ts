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
/** The kernel that runs this cell. */
declare const kernel: {
  /** Aborts when the stop button is pressed; a new signal for each cell. */
  readonly signal: AbortSignal;
};
`;
