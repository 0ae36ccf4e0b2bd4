/**
 * The stop button of a notebook cell: the kernel puts an abort signal at `globalThis.kernel.signal`. Long work that was
 * given no signal of its own listens to it; outside a notebook there is none.
 */
export function cellSignal(): AbortSignal | undefined {
  const { kernel } = globalThis as { readonly kernel?: { readonly signal?: unknown } };
  return kernel?.signal instanceof AbortSignal ? kernel.signal : undefined;
}
