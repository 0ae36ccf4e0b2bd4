/**
 * Types across cells. Each cell that ran is a virtual module of its own; the cell in question gets one line in front
 * that brings in the names of earlier ones:
 *
 *   declare const x: typeof import(CELL 3).x; import { A } from CELL 5;
 *   <the cell>
 *   export { names that the cell declares };
 *
 * Variables come through `typeof` (a cell may assign them), classes, functions, types and imports through an import.
 * Modules of earlier cells never change, so the compiler keeps them.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type TS from "typescript";
import { type DeclarationKind, declarationsOf, identifiersIn } from "./declarations.ts";
import { rememberedDisk } from "./disk.ts";
import { GLOBAL_DECLARATIONS } from "./globals.ts";
import { exportsThrough, type ModuleExports, missingImports } from "./missing-import.ts";
import { isObjectAlone, parseCell, positionAt } from "./parse.ts";
import { projectOf } from "./project.ts";
import ts from "./typescript.ts";

export interface Diagnostic {
  readonly message: string;
  readonly code: number;
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** The present cell as a file of the service. */
export interface Opened {
  readonly service: TS.LanguageService;
  readonly file: string;
  /** Offset of the cell's first character in the file. */
  readonly shift: number;
}

export interface TypeService {
  /** Errors of the cell, by its own lines. */
  check(code: string): Diagnostic[];
  /** Makes the cell's declarations known to later cells. */
  commit(code: string): void;
  /** Whether an earlier cell has declared a value of this name. */
  isKnown(name: string): boolean;
  /** Opens the cell with all earlier names in sight, for completion and inspection. */
  open(code: string): Opened;
  /** Forgets all cells, as their variables are gone. */
  reset(): void;
  readonly options: TS.CompilerOptions;
}

/** No fault of a cell: `import x = require()`, a module without types, and unused or duplicate helper imports. */
const TOLERATED = new Set([
  1202, 7016, 6133, 6192, 6196, 6198, 7043, 7044, 7045, 7046, 7047, 7048, 7049, 7050,
]);

interface VirtualFile {
  readonly text: string;
  readonly version: number;
}

interface KnownName {
  readonly cell: number;
  readonly kind: DeclarationKind;
}

const kernelFile = fileURLToPath(import.meta.url);

export function typeService(folder: string): TypeService {
  const { options, roots } = projectOf(folder);
  const files = new Map<string, VirtualFile>();
  const known = new Map<string, KnownName>();
  const globalsFile = join(folder, "__globals__.d.ts");
  const currentFile = join(folder, "__cell__.ts");
  /** Imports one module, while its exports are asked for. */
  const probeFile = join(folder, "__probe__.ts");
  let lastVersion = 0;
  let cells = 0;
  const put = (file: string, text: string): void => {
    if (files.get(file)?.text === text) return;
    lastVersion++;
    files.set(file, { text, version: lastVersion });
  };
  put(globalsFile, GLOBAL_DECLARATIONS);
  put(currentFile, "export {};");

  // Files on disk are looked at again for each cell, as the user edits local modules, but once and not for each question.
  const stamps = new Map<string, string>();
  const stampOf = (file: string): string => {
    if (file.includes("/node_modules/")) return "0";
    const known = stamps.get(file);
    if (known !== undefined) return known;
    const stamp = String(ts.sys.getModifiedTime?.(file)?.getTime() ?? 0);
    stamps.set(file, stamp);
    return stamp;
  };
  const versionOf = (file: string): string => String(files.get(file)?.version ?? stampOf(file));
  const snapshots = new Map<string, { readonly version: string; readonly snapshot: TS.IScriptSnapshot }>();
  /** Asked for each file of the program at each cell. */
  function snapshotOf(file: string): TS.IScriptSnapshot | undefined {
    const version = versionOf(file);
    const known = snapshots.get(file);
    if (known?.version === version) return known.snapshot;
    const text = files.get(file)?.text ?? disk.readFile(file);
    if (text === undefined) return undefined;
    const snapshot = ts.ScriptSnapshot.fromString(text);
    snapshots.set(file, { version, snapshot });
    return snapshot;
  }

  const disk = rememberedDisk();
  const resolutions = new Map<string, TS.ResolvedModuleWithFailedLookupLocations>();
  /** Something was not found: look again for the next cell, as it may be there by then. */
  let missing = false;

  function resolve(
    text: string,
    containing: string,
    settings: TS.CompilerOptions,
    redirected: TS.ResolvedProjectReference | undefined,
  ): TS.ResolvedModuleWithFailedLookupLocations {
    const cell = /^\.\/(__cell_\d+)$/.exec(text);
    if (cell !== null) {
      const resolvedFileName = join(folder, `${cell[1]}.ts`);
      return { resolvedModule: { resolvedFileName, extension: ts.Extension.Ts } } as never;
    }
    const key = `${dirname(containing)}\0${text}`;
    const known = resolutions.get(key);
    if (known !== undefined) return known;
    let found = ts.resolveModuleName(text, containing, settings, host, undefined, redirected);
    // As at run time: what the notebook's project lacks comes from the kernel's package.
    if (found.resolvedModule === undefined && !/^[./]/.test(text))
      found = ts.resolveModuleName(text, kernelFile, settings, host, undefined, redirected);
    if (found.resolvedModule === undefined) missing ||= containing === currentFile;
    resolutions.set(key, found);
    return found;
  }

  const host: TS.LanguageServiceHost = {
    getScriptFileNames: () => [
      globalsFile,
      ...roots,
      currentFile,
      ...(files.has(probeFile) ? [probeFile] : []),
    ],
    getScriptVersion: versionOf,
    getScriptSnapshot: snapshotOf,
    getCurrentDirectory: () => folder,
    getCompilationSettings: () => options,
    getDefaultLibFileName: (settings) => ts.getDefaultLibFilePath(settings),
    fileExists: (file) => files.has(file) || disk.fileExists(file),
    readFile: (file) => files.get(file)?.text ?? disk.readFile(file),
    readDirectory: ts.sys.readDirectory,
    directoryExists: disk.directoryExists,
    getDirectories: disk.getDirectories,
    realpath: disk.realpath,
    resolveModuleNameLiterals: (literals, containing, redirected, settings) =>
      literals.map(({ text }) => resolve(text, containing, settings, redirected)),
  };
  const service = ts.createLanguageService(host, ts.createDocumentRegistry());

  const exported = new Map<string, ModuleExports>();
  function exportsOf(module: string): ModuleExports {
    const known = exported.get(module);
    if (known !== undefined) return known;
    put(probeFile, `import * as probed from ${JSON.stringify(module)};`);
    try {
      const found = exportsThrough(service.getProgram()!, probeFile);
      // A local module may be edited, and a package that is not there may be installed.
      if (!/^[./]/.test(module) && found.size > 0) exported.set(module, found);
      return found;
    } finally {
      files.delete(probeFile);
    }
  }
  const imports = missingImports(exportsOf);

  const moduleOf = (cell: number): string => `./__cell_${cell}`;
  const bring = ([name, { cell, kind }]: [string, KnownName]): string =>
    kind === "alias"
      ? `import { ${name} } from "${moduleOf(cell)}";`
      : `declare ${kind === "constant" ? "const" : "let"} ${name}: typeof import("${moduleOf(cell)}").${name};`;

  /** The cell as a module; with `all` names in sight, or only those that occur in it. */
  function moduleText(code: string, all: boolean): { text: string; shift: number } {
    const { source } = parseCell(code);
    const declared = declarationsOf(source);
    const used = all ? null : identifiersIn(source);
    const brought = [...known].filter(([name]) => !declared.has(name) && (used?.has(name) ?? true));
    const prelude = `${brought.map(bring).join(" ")}\n`;
    const exported = [...declared].filter(([, declaration]) => !declaration.exported).map(([name]) => name);
    const [open, close] = isObjectAlone(code) ? ["(", ")"] : ["", ""];
    return {
      text: `${prelude}${open}${code}${close}\nexport { ${exported.join(", ")} };`,
      shift: prelude.length + open.length,
    };
  }

  const lookAgain = (): void => {
    stamps.clear();
    if (!missing) return;
    missing = false;
    resolutions.clear();
    disk.forget();
  };

  return Object.freeze({
    options,
    check(code: string): Diagnostic[] {
      lookAgain();
      const { text, shift } = moduleText(code, false);
      put(currentFile, text);
      const { source } = parseCell(code);
      const all = [
        ...service.getSyntacticDiagnostics(currentFile),
        ...service.getSemanticDiagnostics(currentFile),
      ];
      return all
        .filter(({ category, start, code: number }) => {
          const inCell = start !== undefined && start >= shift && start < shift + code.length;
          return category === ts.DiagnosticCategory.Error && inCell && !TOLERATED.has(number);
        })
        .map(({ messageText, code: number, start, length }) => ({
          message:
            ts.flattenDiagnosticMessageText(messageText, "\n") +
            imports.remedy(number, text.slice(start!, start! + (length ?? 0))),
          code: number,
          ...positionAt(source, start! - shift),
          length: length ?? 1,
        }));
    },
    commit(code: string): void {
      const { source } = parseCell(code);
      imports.noteModules(source);
      const declared = declarationsOf(source);
      if (declared.size === 0) return;
      cells++;
      put(`${join(folder, moduleOf(cells))}.ts`, moduleText(code, false).text);
      for (const [name, { kind }] of declared) known.set(name, { cell: cells, kind });
    },
    isKnown: (name: string) => known.has(name) && known.get(name)!.kind !== "alias",
    open(code: string): Opened {
      const { text, shift } = moduleText(code, true);
      put(currentFile, text);
      return { service, file: currentFile, shift };
    },
    reset(): void {
      known.clear();
      imports.reset();
      for (const file of [...files.keys()])
        if (file !== globalsFile && file !== currentFile) files.delete(file);
      put(currentFile, "export {};");
    },
  });
}
