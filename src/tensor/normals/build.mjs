/** Builds `normals.wasm`, which is committed: needs clang and lld. The hash of the source goes into a custom section. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "normals.cc");
const compile =
  "--target=wasm32 -std=c++17 -O3 -ffp-contract=off -ffreestanding -nostdlib -fvisibility=hidden -fno-exceptions -fno-rtti -fno-math-errno -msimd128 -Wl,--no-entry -Wl,--strip-all -Wl,--gc-sections -Wl,-z,stack-size=16384";

const work = mkdtempSync(join(tmpdir(), "zoetrope-normals-"));
try {
  const out = join(work, "normals.wasm");
  execFileSync("clang++", [...compile.split(" "), source, "-o", out], { stdio: "inherit" });
  const name = Buffer.from("zoetrope.sources");
  // Lines ended by \n whatever the checkout does.
  const hash = createHash("sha256")
    .update(readFileSync(source, "utf8").replaceAll("\r\n", "\n"))
    .digest("hex");
  const section = Buffer.concat([Buffer.from([name.length]), name, Buffer.from(hash)]);
  const wasm = Buffer.concat([readFileSync(out), Buffer.from([0, section.length]), section]);
  writeFileSync(join(here, "normals.wasm"), wasm);
  console.log(`normals.wasm: ${(wasm.length / 1024).toFixed(1)} KiB`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
