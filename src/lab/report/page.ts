/**
 * Blocks to one HTML file that needs nothing else: a policy that forbids every request, the script allowed by its hash,
 * pictures, clips, data and provenance inside. The file carries the hash of itself, so an edit by hand shows.
 */
import { createHash } from "node:crypto";
import type { Cell, Row } from "../../plot/row.ts";
import type { Claim } from "../claim.ts";
import { sha256 } from "../hash.ts";
import { escapeHtml, rowsToCsv } from "../table.ts";
import type { Block, FigureBlock } from "./blocks.ts";
import { type Payload, scriptJson } from "./payload.ts";
import { roCrate } from "./ro-crate.ts";
import { safeMarkdown } from "./sanitize.ts";
import { reportStyle } from "./style.ts";

const blank = "0".repeat(64);
const hashSlot = (hash: string) => `<meta name="zoetrope-hash" content="${hash}">`;

export interface PageOptions {
  readonly payload: Payload;
  readonly blocks: readonly Block[];
  readonly author: string;
  readonly script: string | undefined;
}

export function renderPage({ payload, blocks, author, script }: PageOptions): string {
  const figures = blocks.filter((block) => block.type === "figure");
  let figure = 0;
  const body = blocks
    .map((block) => (block.type === "figure" ? renderFigure(block, figure++, script) : renderBlock(block)))
    .join("\n");
  const scriptHash = script === undefined ? undefined : createHash("sha256").update(script).digest("base64");
  const policy = [
    "default-src 'none'",
    scriptHash === undefined ? "script-src 'none'" : `script-src 'sha256-${scriptHash}'`,
    "style-src 'unsafe-inline'",
    "img-src data:",
    "media-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="generator" content="Zoetrope ${escapeHtml(payload.code.version)}">
${hashSlot(blank)}
<title>${escapeHtml(payload.title)}</title>
<style>${reportStyle}</style>
</head>
<body>
<main>
<header><h1>${escapeHtml(payload.title)}</h1>${renderByline(payload, author)}</header>
${renderStrip(payload, figures.length)}
${body}
${renderProvenance(payload)}
</main>
<script type="application/json" id="zoetrope-report">${scriptJson(payload)}</script>
<script type="application/ld+json">${scriptJson(roCrate(payload))}</script>
${script === undefined ? "" : `<script>${script}</script>`}
</body>
</html>
`;
  return html.replace(hashSlot(blank), () => hashSlot(sha256(html)));
}

export interface ReadPage {
  readonly payload: Payload | undefined;
  /** False where a byte differs from what was written; undefined where the file holds no hash. */
  readonly isIntact: boolean | undefined;
}

/** Reads a report back. */
export function readPage(html: string): ReadPage {
  const slot = /<meta name="zoetrope-hash" content="([0-9a-f]{64})">/.exec(html);
  const isIntact = slot ? sha256(html.replace(slot[0], hashSlot(blank))) === slot[1] : undefined;
  const found = /<script type="application\/json" id="zoetrope-report">([^<]*)<\/script>/.exec(html);
  let payload: Payload | undefined;
  try {
    const parsed = found ? (JSON.parse(found[1]!) as Partial<Payload>) : undefined;
    if (parsed?.format === "zoetrope-report-1") payload = parsed as Payload;
  } catch {
    payload = undefined;
  }
  return { payload, isIntact };
}

function renderByline(payload: Payload, author: string): string {
  const when = `${payload.created.slice(0, 10)} ${payload.created.slice(11, 16)} UTC`;
  const commit = payload.code.commit
    ? `commit ${payload.code.commit.slice(0, 10)}${payload.code.isDirty ? " with changes" : ""}`
    : "";
  return `<p class="by">${[author, when, commit]
    .filter((part) => part !== "")
    .map(escapeHtml)
    .join(" · ")}</p>`;
}

function renderStrip(payload: Payload, figures: number): string {
  const count = (verdict: string) => payload.claims.filter((claim) => claim.verdict === verdict).length;
  const nfe = payload.runs.reduce((sum, run) => sum + (run.ledger["nfe"] ?? 0), 0);
  const items = [
    ...(figures > 0 ? [`<b>${figures}</b> ${figures === 1 ? "figure" : "figures"}`] : []),
    ...(payload.claims.length > 0
      ? [
          `<b>${payload.claims.length}</b> claims: ${count("PASS")} pass, ${count("FAIL")} fail, ${count("INCONCLUSIVE")} inconclusive`,
        ]
      : []),
    ...(payload.runs.length > 0
      ? [`<b>${payload.runs.length}</b> ${payload.runs.length === 1 ? "run" : "runs"}`]
      : []),
    ...(nfe > 0 ? [`<b>${nfe.toLocaleString("en-US")}</b> NFE`] : []),
    ...(payload.source ? ["can be re-run: <b>zoetrope verify</b>"] : []),
  ];
  return items.length === 0
    ? ""
    : `<ul class="strip">${items.map((item) => `<li>${item}</li>`).join("")}</ul>`;
}

function renderBlock(block: Exclude<Block, FigureBlock>): string {
  switch (block.type) {
    case "markdown":
      return safeMarkdown(block.text, { keepsHeadings: true });
    case "html":
      return `<div class="scroll-x">${block.html}</div>`;
    case "table":
      return `${block.table.html()}${dataDetails(block.table.rows, "table", [["LaTeX", "tex", "text/x-tex", block.table.latex()]])}`;
    case "claim":
      return renderClaim(block.claim);
    case "media":
      return `<figure>${block.html}</figure>`;
    case "code":
      return `<details class="code"><summary>${escapeHtml(block.title)}</summary><pre><code>${escapeHtml(block.text)}</code></pre></details>`;
    case "output":
      return `<pre class="${block.tone}">${escapeHtml(block.text)}</pre>`;
    case "note":
      return `<p class="note">${escapeHtml(block.text)}</p>`;
  }
}

const short = (value: number | string) =>
  typeof value === "number" ? Number(value.toPrecision(3)).toString() : value;

function renderClaim(claim: Claim): string {
  const numbers = `${short(claim.estimate)} [${short(claim.low)}, ${short(claim.high)}]; holds if ${claim.holds}. ${claim.test}; ${new Set(claim.seeds).size} seeds; correction: ${claim.correction}.`;
  const extra = [claim.verdict === "PASS" ? "" : claim.reason, claim.note]
    .filter((part) => part !== "")
    .join(" ");
  const verdict = ["PASS", "FAIL", "INCONCLUSIVE"].includes(claim.verdict) ? claim.verdict : "INCONCLUSIVE";
  return `<div class="claim ${verdict}"><span class="verdict">${verdict}</span>${escapeHtml(claim.statement)}<div class="numbers">${escapeHtml(`${numbers} ${extra}`.trim())}</div></div>`;
}

function renderFigure(block: FigureBlock, index: number, script: string | undefined): string {
  const id = `figure-${index + 1}`;
  const isLive = script !== undefined && block.vega !== undefined;
  const live = isLive
    ? `<script type="application/json" id="${id}-vega">${scriptJson(block.vega)}</script>`
    : "";
  const view = `<div class="view" role="img" aria-label="${escapeHtml(block.description)}"${isLive ? ` data-vega="${id}-vega"` : ""}>${pictureOf(block)}</div>`;
  const spec = JSON.stringify(block.spec, null, 1);
  return `<figure id="${id}">${view}${live}<figcaption><b>Figure ${index + 1}.</b> ${escapeHtml(block.description)}</figcaption>${dataDetails(block.rows, id, [["Vega-Lite", "vl.json", "application/json", spec]])}</figure>`;
}

/** The chart's own SVG stands in the page as it is; a foreign spec's picture is shown as an image, where nothing runs. */
function pictureOf(block: FigureBlock): string {
  const size = /<svg[^>]*\bwidth="([\d.]+)"/.exec(block.svg)?.[1] ?? "600";
  const data = Buffer.from(block.svg, "utf8").toString("base64");
  return `<img alt="" width="${size}" src="data:image/svg+xml;base64,${data}">`;
}

const mostRows = 200;

function dataDetails(
  rows: readonly Row[],
  name: string,
  downloads: readonly (readonly [label: string, extension: string, media: string, text: string])[],
): string {
  const all: typeof downloads =
    rows.length > 0 ? [["CSV", "csv", "text/csv", rowsToCsv(rows)], ...downloads] : downloads;
  const links = all.map(([label, extension, media, text]) => {
    const data = Buffer.from(text, "utf8").toString("base64");
    return `<a download="${name}.${extension}" href="data:${media};charset=utf-8;base64,${data}">${label}</a>`;
  });
  const shown = rows.slice(0, mostRows);
  const more =
    rows.length > mostRows
      ? `<p class="note">The first ${mostRows} of ${rows.length} rows; the download has all.</p>`
      : "";
  const body = rows.length > 0 ? `<div class="scroll">${rowsTable(shown)}</div>${more}` : "";
  return `<details class="data"><summary>Data</summary><p>Download: ${links.join(" · ")}</p>${body}</details>`;
}

function rowsTable(rows: readonly Row[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const text = (value: Cell | object) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number")
      return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
    const plain = typeof value === "object" ? JSON.stringify(value) : String(value);
    return plain.length > 80 ? `${plain.slice(0, 80)}…` : plain;
  };
  const head = columns.map((column) => `<th>${escapeHtml(column)}</th>`).join("");
  const body = rows
    .map((row) => `<tr>${columns.map((column) => `<td>${escapeHtml(text(row[column]))}</td>`).join("")}</tr>`)
    .join("");
  return `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}

function renderProvenance(payload: Payload): string {
  const { code, machine } = payload;
  const facts: [string, string][] = [
    ["software", `Zoetrope ${code.version}`],
    ["commit", code.commit ?? "not a git checkout"],
    ["changes", code.isDirty === null ? "unknown" : code.isDirty ? `yes, sha256 ${code.diffHash}` : "none"],
    ["lock file", code.lockfileHash ? `sha256 ${code.lockfileHash}` : "absent"],
    ["Node", machine.node],
    [
      "machine",
      `${machine.os}, ${machine.cpu}, ${machine.cores} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB`,
    ],
    ["device", payload.device ?? "none used"],
    ["randomness", "Philox4x32-10, keyed by seed and path"],
    ["made", `${payload.created} from ${payload.source?.fileName ?? "a program (no notebook is embedded)"}`],
  ];
  const rows = facts
    .map(([key, value]) => `<tr><td>${escapeHtml(key)}</td><td>${escapeHtml(value)}</td></tr>`)
    .join("");
  const runs = payload.runs.map((run) => {
    const ledger = Object.entries(run.ledger)
      .filter(([, value]) => value > 0)
      .map(
        ([key, value]) =>
          `${key} ${Number.isInteger(value) ? value.toLocaleString("en-US") : value.toFixed(1)}`,
      )
      .join(", ");
    const inputs = run.inputs
      .map((input) => `${input.path} (sha256 ${input.sha256.slice(0, 12)}…)`)
      .join(", ");
    return `<tr><td>${escapeHtml(run.id)}</td><td>${escapeHtml(run.created.slice(0, 19))}</td><td>${escapeHtml(run.seeds.join(", "))}</td><td>${escapeHtml(ledger)}</td><td>${escapeHtml(inputs)}</td><td>${escapeHtml(run.configHash.slice(0, 12))}</td></tr>`;
  });
  const runTable =
    runs.length === 0
      ? ""
      : `<table><thead><tr><th>run</th><th>started</th><th>seeds</th><th>ledger</th><th>inputs</th><th>config</th></tr></thead><tbody>${runs.join("")}</tbody></table>`;
  const configs = payload.runs
    .map(
      (run) =>
        `<details data-print><summary>Configuration of ${escapeHtml(run.id)}</summary><pre>${escapeHtml(JSON.stringify(run.config, null, 2))}</pre></details>`,
    )
    .join("");
  return `<section class="provenance"><h2>Where this comes from</h2><table><tbody>${rows}</tbody></table>${runTable}${configs}</section>`;
}
