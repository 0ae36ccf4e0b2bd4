/** Installing without Python: what is written where, several versions side by side, and nobody else's kernel touched. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Resvg } from "@resvg/resvg-js";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { installKernel, kernelsFolder, uninstallKernel } from "../../../kernel/cli/kernelspec-install.ts";
import { kernelSpecFolders, listKernelSpecs } from "../../../kernel/client/kernelspec.ts";
import { packageRoot, packageVersion } from "../../../kernel/package-root.ts";

const program = join(packageRoot, "dist/kernel/cli/main.js");
let prefix = "";
beforeEach(() => {
  prefix = mkdtempSync(join(tmpdir(), "zoetrope-install-"));
});
afterEach(() => rmSync(prefix, { recursive: true, force: true }));
const place = () => ({ prefix });
const jupyterPath = () => join(prefix, "share/jupyter");

describe("installKernel", () => {
  it("writes an absolute command line, interrupts by message, and the logos", () => {
    const folder = installKernel({ place: place() });
    expect(folder).toBe(join(prefix, "share/jupyter/kernels/zoetrope"));
    expect(readdirSync(folder).sort()).toEqual([
      "kernel.json",
      "logo-32x32.png",
      "logo-64x64.png",
      "logo-svg.svg",
    ]);
    expect(JSON.parse(readFileSync(join(folder, "kernel.json"), "utf8"))).toEqual({
      argv: [
        process.execPath,
        join(packageRoot, "dist/kernel/front/main.js"),
        "--connection-file",
        "{connection_file}",
      ],
      display_name: `TypeScript (Zoetrope ${packageVersion})`,
      language: "typescript",
      interrupt_mode: "message",
      env: {},
      metadata: { debugger: false, zoetrope: { version: packageVersion, root: packageRoot } },
    });
    expect(readdirSync(kernelsFolder(place()))).toEqual(["zoetrope"]);
  });

  it("keeps several versions side by side under several names", () => {
    installKernel({ place: place() });
    installKernel({ place: place(), name: "zoetrope-next", displayName: "TypeScript (next)" });
    installKernel({ place: place(), displayName: "again" });
    const specs = listKernelSpecs({ JUPYTER_PATH: jupyterPath() }).filter(({ folder }) =>
      folder!.includes(prefix),
    );
    expect(specs.map(({ name, displayName }) => [name, displayName])).toEqual([
      ["zoetrope", "again"],
      ["zoetrope-next", "TypeScript (next)"],
    ]);
  });

  it("uninstalls what it installed and nothing else", () => {
    installKernel({ place: place() });
    expect(uninstallKernel({ place: place() })).toBe(true);
    expect(uninstallKernel({ place: place() })).toBe(false);
    const foreign = join(kernelsFolder(place()), "zoetrope");
    mkdirSync(foreign, { recursive: true });
    writeFileSync(join(foreign, "kernel.json"), "{}");
    expect(() => uninstallKernel({ place: place() })).toThrow("another program's kernel lies there");
    expect(() => installKernel({ place: place() })).toThrow("choose another name with --name");
    expect(existsSync(join(foreign, "kernel.json"))).toBe(true);
  });

  it("refuses names that Jupyter would refuse", () => {
    expect(() => installKernel({ place: place(), name: "../x" })).toThrow('got "../x"');
  });

  it("has logos that are pictures of the SVG", async () => {
    const logos = join(packageRoot, "kernel/cli/logos");
    const svg = readFileSync(join(logos, "logo-svg.svg"), "utf8");
    for (const size of [32, 64]) {
      const drawn = new Resvg(svg, { fitTo: { mode: "width", value: size } }).render();
      const { data, info } = await sharp(join(logos, `logo-${size}x${size}.png`))
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect([info.width, info.height, info.channels]).toEqual([size, size, 4]);
      expect(Buffer.compare(data, await sharp(drawn.asPng()).raw().toBuffer())).toBe(0);
    }
  });
});

describe("kernelSpecFolders", () => {
  it("is Jupyter's search order", () => {
    const env = { JUPYTER_PATH: "/a:/b", HOME: "/users/x", VIRTUAL_ENV: "/venv" };
    if (process.platform === "linux")
      expect(kernelSpecFolders(env)).toEqual(
        [
          "/a",
          "/b",
          "/users/x/.local/share/jupyter",
          "/venv/share/jupyter",
          "/usr/local/share/jupyter",
          "/usr/share/jupyter",
        ].map((root) => `${root}/kernels`),
      );
    expect(kernelSpecFolders({ ...env, JUPYTER_DATA_DIR: "/data" })).toContain("/data/kernels");
  });

  it("skips kernels that cannot be read, as Jupyter does", () => {
    const broken = join(jupyterPath(), "kernels/broken");
    mkdirSync(broken, { recursive: true });
    writeFileSync(join(broken, "kernel.json"), "{");
    expect(
      listKernelSpecs({ JUPYTER_PATH: jupyterPath(), HOME: prefix }).filter(({ name }) => name === "broken"),
    ).toEqual([]);
  });
});

describe("the program", () => {
  const call = (...args: string[]) =>
    spawnSync(process.execPath, [program, ...args], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], HOME: prefix, JUPYTER_PATH: "" },
    });

  it("installs for the user, lists, and uninstalls, without Python on PATH", () => {
    const env = { HOME: prefix, PATH: "" };
    const alone = (...args: string[]) =>
      execFileSync(process.execPath, [program, ...args], { encoding: "utf8", env });
    expect(alone("kernel", "install", "--user", "--name", "mine", "--display-name", "Mine")).toContain(
      'Installed the kernel "mine"',
    );
    expect(alone("kernel", "list")).toMatch(/^mine +Mine +.*kernels\/mine$/m);
    expect(JSON.parse(alone("kernel", "list", "--json"))).toMatchObject([
      { name: "mine", version: packageVersion, works: true },
    ]);
    expect(alone("kernel", "uninstall", "--name", "mine")).toContain('Uninstalled the kernel "mine"');
    expect(alone("kernel", "list")).toContain("No kernel is installed");
  });

  it("says where Jupyter must be told to look", () => {
    expect(call("kernel", "install", "--prefix", prefix).stdout).toContain(`JUPYTER_PATH=${jupyterPath()}`);
  });

  it("fails with one sentence and a remedy", () => {
    const unknown = call("kernel", "uninstall", "--name", "nobody");
    expect([unknown.status, unknown.stderr]).toEqual([
      1,
      expect.stringContaining('Cannot uninstall "nobody"'),
    ]);
    const nowhere = call("kernel", "install", "--sys-prefix");
    expect([nowhere.status, nowhere.stderr]).toEqual([
      1,
      expect.stringContaining("neither VIRTUAL_ENV nor CONDA_PREFIX is set"),
    ]);
    writeFileSync(join(prefix, "a-file"), "");
    const blocked = call("kernel", "install", "--prefix", join(prefix, "a-file"));
    expect([blocked.status, blocked.stderr]).toEqual([
      1,
      expect.stringContaining("Use --prefix with a folder that you may write to"),
    ]);
    expect(call("kernel", "install", "--user", "--prefix", prefix).stderr).toContain(
      "cannot be used with option",
    );
  });
});
