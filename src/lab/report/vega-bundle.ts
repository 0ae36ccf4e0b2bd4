/**
 * The script of a report: vega's runtime with the AST interpreter (so no `eval`, and the policy can forbid it), bundled
 * once by esbuild and cached under data/cache by what it is made of. Without esbuild (a production install) a report
 * shows the same charts as pictures.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { packageRoot } from "../../tensor/package-root.ts";
import { sha256 } from "../hash.ts";

/** Runs in the reader's browser; finds the figures, and replaces each picture by the live chart. */
const browserScript = `
import { parse, View } from "vega";
import { expressionInterpreter } from "vega-interpreter";

const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

function showTip(handler, event, item, value) {
  tip.replaceChildren();
  if (value === null || value === undefined || value === "") { tip.hidden = true; return; }
  const entries = typeof value === "object" ? Object.entries(value) : [["", value]];
  for (const [name, text] of entries) {
    const line = document.createElement("div");
    const key = document.createElement("span");
    key.textContent = name;
    const shown = document.createElement("b");
    shown.textContent = String(text);
    line.append(key, shown);
    tip.append(line);
  }
  tip.hidden = false;
  const x = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  const y = event.clientY + 14 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 14;
  tip.style.transform = "translate(" + Math.max(8, x) + "px," + Math.max(8, y) + "px)";
}

// Only pictures that are part of the page: vega asks before it loads anything.
const loader = {
  load: () => Promise.reject(new Error("reports load nothing")),
  sanitize: (uri) => /^data:image\\//.test(uri) ? Promise.resolve({ href: uri }) : Promise.reject(new Error("reports load nothing")),
  http: () => Promise.reject(new Error("reports load nothing")),
  file: () => Promise.reject(new Error("reports load nothing")),
};

for (const figure of document.querySelectorAll("[data-vega]")) {
  const data = document.getElementById(figure.dataset.vega);
  const live = document.createElement("div");
  try {
    const view = new View(parse(JSON.parse(data.textContent), undefined, { ast: true }), {
      expr: expressionInterpreter, renderer: "svg", container: live, hover: true, tooltip: showTip, loader,
    });
    view.runAsync().then(() => { figure.replaceChildren(live); figure.dataset.live = "yes"; });
  } catch (error) {
    figure.dataset.live = "no: " + error.message;
  }
}
addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details[data-print]")) one.open = true; });
document.documentElement.dataset.ready = "yes";
`;

let bundled: string | undefined;

/** The script, or undefined where it neither is cached nor can be made. */
export async function reportScript(): Promise<string | undefined> {
  if (bundled !== undefined) return bundled;
  const require = createRequire(import.meta.url);
  const versions = ["vega", "vega-interpreter"].map((name) => installedVersion(name)).join(" ");
  const key = sha256(`${browserScript}\n${versions}`).slice(0, 16);
  const path = join(packageRoot, "data", "cache", `report-script-${key}.js`);
  if (existsSync(path)) {
    bundled = readFileSync(path, "utf8");
    return bundled;
  }
  let esbuild: typeof import("esbuild");
  try {
    esbuild = require("esbuild") as typeof import("esbuild");
  } catch {
    return undefined;
  }
  const result = await esbuild.build({
    stdin: { contents: browserScript, resolveDir: packageRoot, sourcefile: "report.js" },
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    platform: "browser",
    target: "es2022",
    legalComments: "none",
    logLevel: "silent",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  // "</script" inside a string would end the element early.
  bundled = result.outputFiles[0]!.text.replaceAll("</script", "<\\/script");
  mkdirSync(join(packageRoot, "data", "cache"), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, bundled);
  renameSync(temporary, path);
  return bundled;
}

function installedVersion(name: string): string {
  const path = join(packageRoot, "node_modules", name, "package.json");
  return existsSync(path)
    ? (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version
    : "absent";
}
