/** Imports of cells: `__k.import`, `__k.meta` and `require`, all seen from the notebook's folder. */
import { builtinModules, createRequire, register } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { MessageChannel } from "node:worker_threads";
import { slots } from "./evaluate.ts";
import { cancelPoint } from "./interrupt.ts";
import { CELL_PREFIX, type HookData } from "./module-hooks.ts";
import { expectModuleMaps } from "./stack.ts";

const builtins = new Set(builtinModules);

let registered = false;

/** The loader hooks start a thread: only when the first import asks for more than Node's own modules. */
function ensureHooks(folder: string): void {
  if (registered) return;
  registered = true;
  const { port1, port2 } = new MessageChannel();
  expectModuleMaps(port1);
  register<HookData>("./module-hooks.js", import.meta.url, {
    data: { folder: pathToFileURL(`${folder}/`).href, maps: port2 },
    transferList: [port2],
  });
}

export function installModules(folder: string): void {
  const file = join(folder, "__cell__.ts");
  slots.import = async (given, options) => {
    const specifier = String(given);
    if (specifier.startsWith("node:") || builtins.has(specifier)) return import(specifier);
    ensureHooks(folder);
    return cancelPoint(import(CELL_PREFIX + specifier, options));
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
