/** The program and the kernel in an installation that lacks packages, as an interrupted `npm ci` leaves it. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../../kernel/package-root.ts";

const needed = [
  "commander",
  "ajv",
  "fast-deep-equal",
  "fast-uri",
  "json-schema-traverse",
  "require-from-string",
];
let root = "";
const install = (name: string): void =>
  symlinkSync(join(packageRoot, "node_modules", name), join(root, "node_modules", name));
const run = (program: string, ...args: string[]) =>
  spawnSync(process.execPath, [join(root, "dist/kernel", program), ...args], { encoding: "utf8" });

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "zoetrope-half-"));
  cpSync(join(packageRoot, "dist/kernel"), join(root, "dist/kernel"), { recursive: true });
  cpSync(join(packageRoot, "package.json"), join(root, "package.json"));
  symlinkSync(join(packageRoot, "kernel"), join(root, "kernel"));
  mkdirSync(join(root, "node_modules"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("a half-made installation", () => {
  it("is told in one sentence with the remedy, by every way in", { timeout: 60_000 }, () => {
    const bare = run("cli/main.js", "doctor");
    expect(bare.status).toBe(1);
    expect(bare.stderr).toMatch(/^zoetrope: Cannot find package 'commander'.*run npm ci in .*\n$/);

    for (const name of needed) install(name);
    const doctor = run("cli/main.js", "doctor");
    expect(doctor.status).toBe(1);
    expect(doctor.stdout).toMatch(/✗ zeromq +Cannot find package 'zeromq'.*: run npm ci/);
    expect(doctor.stdout).toMatch(/✗ TypeScript/);

    const notebook = join(root, "a.ipynb");
    writeFileSync(notebook, '{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[]}');
    const ran = run("cli/main.js", "run", notebook);
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(/Cannot find package 'zeromq'.*run npm ci in/);

    const connection = join(root, "connection.json");
    const ports = ["shell_port", "control_port", "stdin_port", "hb_port", "iopub_port"];
    writeFileSync(connection, JSON.stringify(Object.fromEntries(ports.map((port) => [port, 1]))));
    const served = run("front/main.js", "--connection-file", connection);
    expect(served.status).toBe(1);
    expect(served.stderr).toMatch(
      /^Cannot serve .*the package zeromq cannot be loaded .*Run npm ci in .*\n$/,
    );
  });

  it("names what is wrong with a connection file", () => {
    const file = join(root, "broken.json");
    writeFileSync(file, '{ "shell_port" ');
    install("zeromq");
    expect(run("front/main.js", "--connection-file", file).stderr).toMatch(
      /^Cannot serve .*broken\.json: Cannot read the connection file as it must be JSON: /,
    );
    expect(run("front/main.js", "--connection-file", join(root, "none.json")).stderr).toMatch(/ENOENT/);
    expect(run("front/main.js").status).toBe(2);
  });
});
