/**
 * Compiler options of a notebook: those of the nearest tsconfig.json, where there is one, with what cells need set
 * over them. Works in an empty folder too: the types of Node come from the kernel's own package then.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type TS from "typescript";
import ts from "./typescript.ts";

export interface Project {
  readonly options: TS.CompilerOptions;
  /** Declaration files that every cell sees. */
  readonly roots: readonly string[];
  /** File the options came from. */
  readonly config: string | null;
}

const DEFAULT_LIBRARIES = ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts", "lib.esnext.decorators.d.ts"];

/** Where the project says nothing: strictness as far as it helps in a cell. */
const DEFAULTS: TS.CompilerOptions = { strict: false, lib: DEFAULT_LIBRARIES };

/** What cells need, whatever the project says: they are modules that run, are never emitted and may leave names unused. */
const CELLS: TS.CompilerOptions = {
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  moduleDetection: ts.ModuleDetectionKind.Force,
  noEmit: true,
  skipLibCheck: true,
  skipDefaultLibCheck: true,
  allowJs: true,
  checkJs: false,
  resolveJsonModule: true,
  esModuleInterop: true,
  allowImportingTsExtensions: true,
  allowSyntheticDefaultImports: true,
  useUnknownInCatchVariables: false,
  noUnusedLocals: false,
  noUnusedParameters: false,
  allowUnusedLabels: true,
  allowUnreachableCode: true,
  isolatedModules: false,
  isolatedDeclarations: false,
  verbatimModuleSyntax: false,
  erasableSyntaxOnly: false,
  declaration: false,
  composite: false,
  incremental: false,
  sourceMap: false,
};

/** Would make the service look for sources behind built files, or read build state. */
const BUILD_ONLY = ["outDir", "outFile", "rootDir", "rootDirs", "declarationDir", "tsBuildInfoFile"] as const;

/** Cells run in Node: types of a browser's globals only hide mistakes, such as an undeclared \`name\`. */
const withoutBrowser = (libraries: readonly string[]): string[] =>
  libraries.filter((library) => !/lib\.(dom|webworker|scripthost)\b/.test(library));

function nodeTypes(folder: string): string[] {
  const kernelFolder = dirname(fileURLToPath(import.meta.url));
  for (let at of [folder, kernelFolder]) {
    while (true) {
      const file = join(at, "node_modules/@types/node/index.d.ts");
      // By its real path, as imports find it: through a link the same types would be read twice.
      if (ts.sys.fileExists(file)) return [ts.sys.realpath?.(file) ?? file];
      const parent = dirname(at);
      if (parent === at) break;
      at = parent;
    }
  }
  return [];
}

export function projectOf(folder: string): Project {
  const config = ts.findConfigFile(folder, ts.sys.fileExists) ?? null;
  let given: TS.CompilerOptions = DEFAULTS;
  if (config !== null) {
    const read = ts.readConfigFile(config, ts.sys.readFile);
    // Only the options matter: which files the project lists does not.
    const host: TS.ParseConfigHost = { ...ts.sys, readDirectory: () => [] };
    given = ts.parseJsonConfigFileContent(read.config ?? {}, host, dirname(config)).options;
  }
  const options: TS.CompilerOptions = { ...given, ...CELLS };
  options.lib = withoutBrowser(given.lib ?? DEFAULT_LIBRARIES);
  if (!options.lib.some((library) => library.includes("disposable") || library === "lib.esnext.d.ts"))
    options.lib.push("lib.esnext.disposable.d.ts");
  options.types = (given.types ?? []).filter((name) => name !== "node" && name !== "*");
  for (const name of BUILD_ONLY) delete options[name];
  return { options, roots: nodeTypes(folder), config };
}
