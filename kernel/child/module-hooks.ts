/**
 * Loader hooks of the child (module.register, a thread of Node's own): how imports of cells resolve and load.
 *
 * - from the notebook's folder, with Node's own rules; else from the kernel's package, so that an empty folder works
 * - `paths` of the nearest tsconfig.json; relative imports without extension, or `.js` for a `.ts` file
 * - `.ts` files are erased by ts-blank-space, enums and the like emitted by the compiler
 * - hot reload: a local file's URL carries a hash over the file and all local files that it imports, so an edited
 *   module and those that import it load afresh, while unchanged ones keep their identity. Old versions stay in memory
 *   (modules cannot be unloaded)
 * - a module that was being loaded when the stop button struck stays half done, and importing it waits for ever: what was
 *   found since the last import that came to its end gets URLs of another generation
 */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { LoadHook, ResolveHook } from "node:module";
import { dirname, extname, join, resolve as resolvePath } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type TypeScript from "typescript";
import type { EmittedModule } from "./stack.ts";

export interface HookData {
  /** Folder of the notebook, as a URL that ends in a slash. */
  readonly folder: string;
  /** Takes an `EmittedModule` for each module whose lines are not those of its file; gives a `LoadNote` now and then. */
  readonly port: MessagePort;
}

/** `sound`: no import is under way. `broken`: those under way will not come to their end. */
export type LoadNote = "sound" | "broken";

/** In front of what a cell imports: its parent is the notebook, not the kernel file that calls import(). */
export const CELL_PREFIX = "zoetrope-cell:";
export const TSLAB_URL = "zoetrope-kernel:tslab";

let folder = "file:///";
let port: MessagePort | null = null;
const kernelUrl = import.meta.url;

export function initialize(data: HookData): void {
  folder = data.folder;
  port = data.port;
  port.unref();
}

/** Files and URLs found since the last `sound`. */
let fresh = new Set<string>();
/** How often the import of a file or URL was broken off. */
const generations = new Map<string, number>();

function takeNotes(): void {
  while (port !== null) {
    const received = receiveMessageOnPort(port) as { message: LoadNote } | undefined;
    if (received === undefined) return;
    if (received.message === "broken")
      for (const found of fresh) generations.set(found, (generations.get(found) ?? 0) + 1);
    fresh = new Set();
  }
}

/** 0, or how often the import of a file or URL was broken off until now. */
function generationOf(found: string): number {
  fresh.add(found);
  return generations.get(found) ?? 0;
}

/** Loaded only when a `.ts` file or `paths` need it: a notebook that imports packages alone never pays for it. */
const compiler = () => import("../cell/typescript.ts");
const typescript = async (): Promise<typeof TypeScript> => (await compiler()).default;

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
const IS_SCRIPT = /\.[mc]?[jt]sx?$/;
const GUESSES = [".ts", ".mts", ".tsx", ".js", ".mjs", ".json", "/index.ts", "/index.js"];

/** The file that a path without extension, or with that of the compiled form, means. */
function locate(path: string): string | null {
  if (isFile(path)) return path;
  const compiled = /^(.*)\.([mc]?)js$/.exec(path);
  if (compiled !== null) {
    const source = `${compiled[1]}.${compiled[2]}ts`;
    if (isFile(source)) return source;
  }
  for (const guess of GUESSES) if (isFile(path + guess)) return path + guess;
  return null;
}

interface Scanned {
  readonly stamp: string;
  readonly imports: readonly string[];
}
const scans = new Map<string, Scanned>();

/** Specifiers that a file imports, read again only when the file has changed. */
async function scan(path: string): Promise<Scanned> {
  const { mtimeNs, size } = statSync(path, { bigint: true });
  const stamp = `${mtimeNs}:${size}`;
  const known = scans.get(path);
  if (known?.stamp === stamp) return known;
  const ts = await typescript();
  const imports = IS_SCRIPT.test(path)
    ? ts.preProcessFile(readFileSync(path, "utf8"), true, true).importedFiles.map(({ fileName }) => fileName)
    : [];
  const scanned = { stamp, imports };
  scans.set(path, scanned);
  return scanned;
}

/** Hash over a file and the local files that it reaches. */
async function versionOf(path: string): Promise<string> {
  const reached = new Map<string, string>();
  const visit = async (file: string): Promise<void> => {
    if (reached.has(file)) return;
    const { stamp, imports } = await scan(file);
    reached.set(file, stamp);
    for (const specifier of imports) {
      const target = localTarget(specifier, file) ?? (await aliasTarget(specifier));
      if (target !== null) await visit(target);
    }
  };
  await visit(path);
  const hash = createHash("sha1");
  for (const [file, stamp] of [...reached].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${file}\0${stamp}\0${generationOf(file) || ""}`);
  return hash.digest("hex").slice(0, 12);
}

/** The local file behind a relative, absolute or `file:` specifier; null for a package. */
function localTarget(specifier: string, from: string): string | null {
  if (specifier.startsWith("file:")) return locate(fileURLToPath(specifier.replace(/[?#].*$/, "")));
  if (!/^(\.{0,2}\/|\.{1,2}$)/.test(specifier)) return null;
  return locate(resolvePath(dirname(from), specifier));
}

interface Aliases {
  readonly base: string;
  readonly paths: readonly (readonly [RegExp, readonly string[]])[];
}
let aliases: { readonly stamp: string; readonly read: Promise<Aliases | null> } | null = null;

function nearestConfig(): string | null {
  let at = fileURLToPath(folder);
  while (!isFile(join(at, "tsconfig.json"))) {
    const parent = dirname(at);
    if (parent === at) return null;
    at = parent;
  }
  return join(at, "tsconfig.json");
}

/** `compilerOptions.paths` of a tsconfig.json. */
async function readAliases(file: string): Promise<Aliases | null> {
  const at = dirname(file);
  const text = readFileSync(file, "utf8");
  if (!/"(paths|extends)"/.test(text)) return null;
  const ts = await typescript();
  const read = ts.readConfigFile(file, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    read.config ?? {},
    { ...ts.sys, readDirectory: () => [] },
    at,
  );
  if (options.paths === undefined) return null;
  const base =
    options.baseUrl ?? (typeof options["pathsBasePath"] === "string" ? options["pathsBasePath"] : at);
  const paths = Object.entries(options.paths).map(([pattern, targets]) => {
    const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace("*", "(.*)");
    return [new RegExp(`^${escaped}$`), targets] as const;
  });
  return { base, paths };
}

async function aliasTarget(specifier: string): Promise<string | null> {
  const file = nearestConfig();
  if (file === null) return null;
  const stamp = `${file}:${statSync(file).mtimeMs}`;
  if (aliases?.stamp !== stamp) aliases = { stamp, read: readAliases(file).catch(() => null) };
  const known = await aliases.read;
  for (const [pattern, targets] of known?.paths ?? []) {
    const match = pattern.exec(specifier);
    if (match === null) continue;
    for (const target of targets) {
      const found = locate(resolvePath(known!.base, target.replace("*", match[1] ?? "")));
      if (found !== null) return found;
    }
  }
  return null;
}

const isBuiltin = (specifier: string): boolean => /^(node|data|https?):/.test(specifier);
const isVersioned = (url: string | undefined): boolean => url !== undefined && /^file:.*\?v=/.test(url);

export const resolve: ResolveHook = async (given, context, next) => {
  takeNotes();
  const found = await find(given, context, next);
  if (!found.url.startsWith("file:") || isVersioned(found.url)) return found;
  const generation = generationOf(found.url);
  return generation === 0 ? found : { ...found, url: `${found.url}?again=${generation}` };
};

const find: ResolveHook = async (given, context, next) => {
  const fromCell = given.startsWith(CELL_PREFIX);
  if (!fromCell && !isVersioned(context.parentURL)) return next(given, context);
  const specifier = fromCell ? given.slice(CELL_PREFIX.length) : given;
  if (specifier === "tslab") return { url: TSLAB_URL, format: "module", shortCircuit: true };
  const parentURL = fromCell ? new URL("__cell__.ts", folder).href : context.parentURL!;
  if (!isBuiltin(specifier)) {
    const parentPath = fileURLToPath(parentURL.replace(/[?#].*$/, ""));
    const target = localTarget(specifier, parentPath) ?? (await aliasTarget(specifier));
    if (target !== null && !target.includes("/node_modules/"))
      return { url: `${pathToFileURL(target).href}?v=${await versionOf(target)}`, shortCircuit: true };
  }
  try {
    return await next(specifier, { ...context, parentURL });
  } catch (error) {
    // Only what is missing altogether is looked for in the kernel's package: other faults are the user's to see.
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND" || /^[./]/.test(specifier))
      throw error;
    try {
      return await next(specifier, { ...context, parentURL: kernelUrl });
    } catch {
      throw error;
    }
  }
};

/** TypeScript -> JavaScript: with all lines in place, or emitted by the compiler, whose source map goes to the traces. */
async function erase(path: string, url: string): Promise<string> {
  const text = readFileSync(path, "utf8");
  const { default: ts, blankSourceFile } = await compiler();
  const { emit, holdsSyntaxBeyondNode } = await import("../cell/emit.ts");
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  let erasable = extname(path) !== ".tsx" && !holdsSyntaxBeyondNode(source);
  const erased = erasable
    ? blankSourceFile(source, () => {
        erasable = false;
      })
    : "";
  if (erasable) return erased;
  const { script, sourceMap } = emit(text, path);
  port?.postMessage({ url, sourceMap } satisfies EmittedModule);
  return script;
}

export const load: LoadHook = async (url, context, next) => {
  if (url === TSLAB_URL) {
    const source = `const shim = globalThis[Symbol.for("zoetrope.tslab")];
export const { display, newDisplay, versions } = shim;
export default shim;`;
    return { format: "module", source, shortCircuit: true };
  }
  if (!isVersioned(url)) return next(url, context);
  const path = fileURLToPath(url.replace(/\?.*$/, ""));
  if (/\.m?tsx?$/.test(path)) return { format: "module", source: await erase(path, url), shortCircuit: true };
  if (path.endsWith(".json"))
    return { format: "module", source: `export default ${readFileSync(path, "utf8")};`, shortCircuit: true };
  return next(url, context);
};
