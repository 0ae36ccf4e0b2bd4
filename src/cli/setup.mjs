/**
 * Brings a fresh clone to a runnable state, and does nothing the second time. Plain JavaScript without dependencies,
 * since it runs before anything is installed:
 *
 *   1. Node is new enough            4. TypeScript is built to dist/ (stamp: hash of the sources)
 *   2. packages are installed        5. the report's browser bundle is made (part of the build)
 *      (stamp: hash of the lockfile)
 *   3. the native addon is compiled, where a C++ compiler is found (otherwise the committed wasm runs)
 *
 * Each step writes its stamp last, so an interrupted run is repeated and never tripped over.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const say = (text) => process.stderr.write(`zoetrope setup: ${text}\n`);

function stop(sentence) {
  process.stderr.write(`\nzoetrope setup: ${sentence}\n`);
  process.exit(1);
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  stop(
    `Cannot run on Node ${process.versions.node} as Zoetrope needs Node >= 20.19. Install a newer Node, then repeat.`,
  );
}

/** Runs a program of the toolchain; its output is shown only when it fails. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28, ...options });
  return {
    ok: result.status === 0,
    output: `${result.stdout ?? ""}${result.stderr ?? ""}${result.error ?? ""}`,
  };
}

function writeStamp(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const readStamp = (path) => (existsSync(path) ? readFileSync(path, "utf8") : "");

/** Why nothing can be written here, if that is what an error or a program's output says. */
function unwritable(text) {
  if (/ENOSPC/.test(text)) return "the disk is full. Free space, then repeat";
  if (/EROFS|EACCES|EPERM/.test(text))
    return "the folder is read-only. Make it writable or clone elsewhere, then repeat";
  return undefined;
}

/** A package that the lockfile names and the folder lacks: somebody deleted it, or an install was cut short. */
function missingPackage(lock) {
  return Object.entries(JSON.parse(lock).packages ?? {}).find(
    ([path, { optional, peer }]) =>
      path !== "" && !optional && !peer && !existsSync(join(root, path, "package.json")),
  )?.[0];
}

function installPackages() {
  const stampPath = join(root, "node_modules", ".zoetrope-stamp");
  const lock = readFileSync(join(root, "package-lock.json"));
  const stamp = `${createHash("sha256").update(lock).digest("hex")} ${process.platform}-${process.arch} abi${process.versions.modules}`;
  if (readStamp(stampPath) === stamp) {
    const missing = missingPackage(lock);
    if (missing === undefined) return;
    say(`${missing} is missing`);
  }
  // npm calls a read-only folder a missing one.
  accessSync(root, constants.W_OK);
  say("installing packages (npm ci, about half a minute) ...");
  const npm = process.env.npm_execpath;
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" };
  const result = npm ? run(process.execPath, [npm, ...args], { env }) : run("npm", args, { env });
  if (!result.ok) {
    process.stderr.write(result.output);
    const why = unwritable(result.output);
    stop(
      why
        ? `Cannot install the packages in ${root} as ${why}.`
        : "Cannot install the packages as npm ci failed (its output is above). Check the network and repeat.",
    );
  }
  writeStamp(stampPath, stamp);
}

function buildNative() {
  const script = join(root, "src/tensor/native/build.mjs");
  if (!existsSync(script)) return;
  const result = run(process.execPath, [script]);
  const line = result.output.trim().split("\n").at(-1);
  if (line) say(line);
}

function sourceFiles(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs|json)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

function compileTypeScript() {
  const hash = createHash("sha256").update(readFileSync(join(root, "package-lock.json")));
  for (const file of ["tsconfig.json", ...sourceFiles("kernel"), ...sourceFiles("src")]) {
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)));
  }
  const stamp = hash.digest("hex");
  const stampPath = join(root, "dist", ".zoetrope-stamp");
  if (readStamp(stampPath) === stamp) return;
  say("building TypeScript ...");
  // A file that has left the sources must not live on in the build.
  rmSync(join(root, "dist"), { recursive: true, force: true });
  // TypeScript 7 is six times faster but needs a prebuilt binary; TypeScript 6 is there everywhere.
  const compilers = ["typescript-7", "typescript"].map((name) =>
    join(root, "node_modules", name, "bin", "tsc"),
  );
  let result = { ok: false, output: "no TypeScript compiler found in node_modules" };
  for (const compiler of compilers.filter(existsSync)) {
    result = run(process.execPath, [compiler, "-p", "tsconfig.json"]);
    if (result.ok || /error TS\d+/.test(result.output)) break;
  }
  if (!result.ok) {
    process.stderr.write(result.output);
    const why = unwritable(result.output);
    stop(
      why
        ? `Cannot build in ${root} as ${why}.`
        : "Cannot build as the sources do not compile (errors above).",
    );
  }
  // npx makes commands executable when it first meets a folder, and never again: a new build must be so by itself.
  const { bin = {} } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const command of Object.values(bin)) chmodSync(join(root, command), 0o755);
  const bundler = join(root, "dist", "src", "lab", "report", "build-bundle.js");
  if (existsSync(bundler)) {
    const bundle = run(process.execPath, [bundler]);
    if (!bundle.ok)
      say(
        `the interactive report bundle could not be made; reports fall back to static charts.\n${bundle.output}`,
      );
  }
  writeStamp(stampPath, stamp);
}

checkNode();
try {
  installPackages();
  buildNative();
  compileTypeScript();
} catch (error) {
  const why = unwritable(String(error?.code));
  if (!why) throw error;
  stop(`Cannot set up in ${root} as ${why} (${error.path ?? error.code}).`);
}
