/**
 * Builds `zoetrope.wasm`, which is committed: needs clang and lld (`apt-get install clang lld`), nothing else. The hash
 * of the sources goes into a custom section, so that a test can hold the file to them.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const NATIVE_ONLY = new Set(["addon.cc", "pool.cc", "pool.h"]);
export const SECTION = "zoetrope.sources";

/** SHA-256 of the C++ that goes into the wasm, lines ended by \n whatever the checkout does. */
export function wasmSourceHash() {
  const hash = createHash("sha256");
  const files = readdirSync(here, { recursive: true })
    .map((name) => String(name).replaceAll("\\", "/"))
    .filter((name) => /\.(h|cc)$/.test(name) && !NATIVE_ONLY.has(name))
    .sort();
  for (const name of files)
    hash.update(`${name}\n${readFileSync(join(here, name), "utf8").replaceAll("\r\n", "\n")}`);
  return hash.digest("hex");
}

function leb(n) {
  const out = [];
  do {
    const byte = n & 127;
    n >>>= 7;
    out.push(n ? byte | 128 : byte);
  } while (n);
  return out;
}

export function buildWasm() {
  const work = mkdtempSync(join(tmpdir(), "zoetrope-wasm-"));
  try {
    const out = join(work, "zoetrope.wasm");
    const compile = [
      ..."--target=wasm32 -std=c++17 -O3 -ffreestanding -nostdlib -fvisibility=hidden -fno-exceptions -fno-rtti".split(
        " ",
      ),
      ..."-fno-math-errno -fno-threadsafe-statics -msimd128 -matomics -mbulk-memory -mmutable-globals".split(
        " ",
      ),
      "-DZT_NS=wasm",
    ];
    const link = [
      ..."--no-entry --import-memory --shared-memory --initial-memory=4194304 --max-memory=4294967296".split(
        " ",
      ),
      ..."--allow-undefined --export-dynamic --export=__stack_pointer --export=__heap_base -z,stack-size=262144".split(
        " ",
      ),
      ..."--strip-all --gc-sections".split(" "),
    ];
    const objects = [["kernels.cc", "-DZT_HEAVY"], ["kernels.cc"], ["wasm.cc"]].map(
      ([source, ...defines], i) => {
        const object = join(work, `${i}.o`);
        execFileSync("clang++", [...compile, ...defines, "-c", join(here, source), "-o", object], {
          stdio: "inherit",
        });
        return object;
      },
    );
    execFileSync(
      "clang++",
      [
        "--target=wasm32",
        "-nostdlib",
        ...objects,
        ...link.map((flag) => `-Wl,${flag.replace(" ", ",")}`),
        "-o",
        out,
      ],
      {
        stdio: "inherit",
      },
    );
    const name = Buffer.from(SECTION);
    const hash = Buffer.from(wasmSourceHash());
    const body = Buffer.concat([Buffer.from(leb(name.length)), name, hash]);
    const wasm = Buffer.concat([readFileSync(out), Buffer.from([0, ...leb(body.length)]), body]);
    writeFileSync(join(here, "zoetrope.wasm"), wasm);
    return wasm.length;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(`zoetrope.wasm: ${(buildWasm() / 1024).toFixed(0)} KiB`);
}
