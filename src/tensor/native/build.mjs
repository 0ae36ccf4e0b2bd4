/**
 * Builds the addon `build/native/zoetrope.node` with the C++ compiler of the machine: no download, no node-gyp, a few
 * seconds. Never fails: without a compiler the committed wasm runs instead, and the one line printed says so.
 *
 * A file beside the addon holds the hash of the sources and the compiler, so that a second run takes milliseconds.
 */
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..", "..");
const run = promisify(execFile);

/** SHA-256 over the names and texts of the C++ sources. */
export function sourceHash() {
  const hash = createHash("sha256");
  const files = readdirSync(here, { recursive: true })
    .map(String)
    .filter((name) => /\.(h|cc)$/.test(name))
    .sort();
  for (const name of files)
    hash.update(`${name.replaceAll("\\", "/")}\n`).update(readFileSync(join(here, name)));
  return hash.digest("hex");
}

const BASE = [
  "-std=c++17",
  "-fPIC",
  "-fvisibility=hidden",
  "-fno-math-errno",
  "-fno-exceptions",
  "-fno-rtti",
];
const X86 = [
  // Nearly no machine runs it: built quickly.
  { isa: "baseline", flags: [], heavy: "-O1", light: "-O1" },
  { isa: "avx2", flags: ["-mavx2", "-mfma", "-mf16c"], define: "-DZT_HAS_AVX2" },
  {
    isa: "avx512",
    flags: ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"],
    define: "-DZT_HAS_AVX512",
    // bf16 products, which compilers before 2019 do not know.
    extra: { flag: "-mavx512bf16", define: "-DZT_HAS_BF16" },
  },
];
const OTHER = [{ isa: "baseline", flags: [] }];

function compiler() {
  for (const name of [process.env.CXX, "c++", "g++", "clang++"]) {
    if (!name) continue;
    try {
      return { name, version: execFileSync(name, ["--version"], { encoding: "utf8" }).split("\n")[0] };
    } catch {}
  }
  return undefined;
}

/** Whether the compiler takes a flag. */
function understands(cxx, flag) {
  try {
    execFileSync(cxx, [flag, "-x", "c++", "-E", "-"], { input: "", stdio: ["pipe", "ignore", "ignore"] });
    return true;
  } catch {
    return false;
  }
}

/** Returns one line: what was built, or why not. */
export async function buildAddon({ force = false } = {}) {
  const folder = join(root, "build", "native");
  const addon = join(folder, "zoetrope.node");
  const marker = join(folder, "zoetrope.sha256");
  const cxx = compiler();
  if (!cxx)
    return "native engine: no C++ compiler (c++, g++ or clang++) found, so the wasm engine runs. Install one and run `npm run build`.";
  const stamp = `${sourceHash()} ${process.platform} ${process.arch} ${cxx.version}\n`;
  if (!force && existsSync(addon) && existsSync(marker) && readFileSync(marker, "utf8") === stamp) {
    return `native engine: ${relative(root, addon)} is up to date`;
  }
  const start = performance.now();
  mkdirSync(folder, { recursive: true });
  const work = join(folder, `work-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    const include = ["-I", join(root, "node_modules", "node-api-headers", "include")];
    const targets = process.arch === "x64" ? X86 : OTHER;
    const extras = targets.filter((target) => target.extra && understands(cxx.name, target.extra.flag));
    const defines = targets.flatMap((target) => target.define ?? []);
    for (const { flags, extra } of extras) {
      defines.push(extra.define);
      flags.push(extra.define);
    }
    const objects = [];
    const compile = (source, object, flags) => {
      objects.push(join(work, object));
      return run(cxx.name, [...BASE, ...flags, "-c", join(here, source), "-o", join(work, object)]);
    };
    await Promise.all([
      ...targets.flatMap(({ isa, flags, heavy = "-O3", light = "-O2" }) => [
        compile("kernels.cc", `${isa}-heavy.o`, [...flags, heavy, "-DZT_HEAVY", `-DZT_NS=${isa}`]),
        compile("kernels.cc", `${isa}-light.o`, [...flags, light, "-ftree-vectorize", `-DZT_NS=${isa}`]),
      ]),
      run(cxx.name, [
        ...BASE.filter((flag) => flag !== "-fno-exceptions"),
        "-O2",
        "-c",
        join(here, "pool.cc"),
        "-o",
        join(work, "pool.o"),
      ]),
      run(cxx.name, [
        ...BASE,
        ...include,
        ...defines,
        "-O2",
        "-c",
        join(here, "addon.cc"),
        "-o",
        join(work, "addon.o"),
      ]),
    ]);
    const link =
      process.platform === "darwin"
        ? ["-bundle", "-undefined", "dynamic_lookup"]
        : ["-shared", "-pthread", "-static-libgcc"];
    const fresh = join(work, "zoetrope.node");
    await run(cxx.name, [...objects, join(work, "pool.o"), join(work, "addon.o"), ...link, "-o", fresh]);
    renameSync(fresh, addon);
    writeFileSync(marker, stamp);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    return `native engine: built ${relative(root, addon)} with ${cxx.version} in ${seconds} s`;
  } catch (error) {
    const reason =
      String(error.stderr || error.message)
        .split("\n")
        .find((line) => /error/i.test(line)) ?? "unknown error";
    return `native engine: ${cxx.name} failed (${reason.trim()}), so the wasm engine runs. Fix it and run \`npm run build\`.`;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(await buildAddon({ force: process.argv.includes("--force") }));
}
