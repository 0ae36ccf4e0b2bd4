/** Imports of cells: `__k.import`, `__k.meta` and `require`, all seen from the notebook's folder. */
import { builtinModules, createRequire, register } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { slots } from "./evaluate.ts";
import { cancelPoint } from "./interrupt.ts";
import { CELL_PREFIX, type HookData, type LoadNote } from "./module-hooks.ts";
import { expectModuleMaps } from "./stack.ts";

const builtins = new Set(builtinModules);

let registered = false;
let hooks: MessagePort | null = null;
/** Imports of cells under way. Another set after a termination, as those of the old one may still come to an end. */
let loading = new Set<Promise<unknown>>();

const tellHooks = (note: LoadNote): void => hooks?.postMessage(note);

/** An import of a cell, followed to its end also where the cell does not wait for it any more. */
function followed<T>(work: Promise<T>): Promise<T> {
  const all = loading.add(work);
  const end = (): void => {
    all.delete(work);
    if (all === loading && all.size === 0) tellHooks("sound");
  };
  work.then(end, end);
  return work;
}

/** After a termination: what was being loaded is loaded anew by the next import or `require` of it. */
export function forgetHalfModules(): void {
  loading = new Set();
  tellHooks("broken");
  const { cache } = createRequire(import.meta.url);
  for (const [name, module] of Object.entries(cache)) if (module?.loaded === false) delete cache[name];
}

/** The loader hooks start a thread: only when the first import asks for more than Node's own modules. */
function ensureHooks(folder: string): void {
  if (registered) return;
  registered = true;
  const { port1, port2 } = new MessageChannel();
  hooks = port1;
  expectModuleMaps(port1);
  register<HookData>("./module-hooks.js", import.meta.url, {
    data: { folder: pathToFileURL(`${folder}/`).href, port: port2 },
    transferList: [port2],
  });
}

export function installModules(folder: string): void {
  const file = join(folder, "__cell__.ts");
  slots.import = async (given, options) => {
    const specifier = String(given);
    if (specifier.startsWith("node:") || builtins.has(specifier)) return import(specifier);
    ensureHooks(folder);
    return cancelPoint(followed(import(CELL_PREFIX + specifier, options)));
  };
  slots.meta = Object.freeze({
    url: pathToFileURL(file).href,
    dirname: folder,
    filename: file,
    resolve: (specifier: string) =>
      /^[./]/.test(specifier)
        ? pathToFileURL(resolve(folder, specifier)).href
        : pathToFileURL(createRequire(file).resolve(specifier)).href,
  });
  Object.defineProperty(globalThis, "require", {
    value: createRequire(file),
    writable: true,
    configurable: true,
    enumerable: false,
  });
}
