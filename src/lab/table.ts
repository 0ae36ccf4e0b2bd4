/**
 * Tables of results: groups down, columns across, mean and 95 % interval in each cell, the best of a column in bold.
 * Shown as HTML in a notebook; written as LaTeX (booktabs), CSV or Markdown.
 */
import { type Cell, groupBy, numberAt, type Row, textAt } from "../plot/row.ts";
import { meanInterval } from "../plot/series.ts";

export interface TableOptions {
  /** Column(s) that name a line of the table. */
  readonly by: string | readonly string[];
  /** Columns with numbers. */
  readonly values: readonly string[];
  /** Columns where less is better. */
  readonly lessIsBetter?: readonly string[];
  /** Columns where neither more nor less is better, as a cost that was set: nothing of them is bold. */
  readonly unranked?: readonly string[];
  /** A column of `by`: the best is sought among the lines of one value, e.g. of one segment. Default: among all. */
  readonly bestWithin?: string;
  /** Independent unit of the intervals; rows of a unit are averaged first. Default "seed". */
  readonly unit?: string;
  /** Decimals, of all columns or by column; default 3. */
  readonly digits?: number | Readonly<Record<string, number>>;
  readonly caption?: string;
  /** Said above the table, e.g. that it is stale. */
  readonly warning?: string;
}

export interface TableCell {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly units: number;
  readonly isBest: boolean;
  /** Decimals to show. */
  readonly digits: number;
}

export interface Table {
  readonly caption: string;
  readonly warning: string;
  readonly header: readonly string[];
  readonly lines: readonly { readonly names: readonly string[]; readonly cells: readonly TableCell[] }[];
  /** The rows behind it. */
  readonly rows: readonly Row[];
  csv(): string;
  latex(): string;
  markdown(): string;
  html(): string;
  [key: symbol]: () => Record<string, string>;
}

/** @throws TypeError when a value column holds no number at all. */
export function table(rows: readonly Row[], options: TableOptions): Table {
  const { values, lessIsBetter = [], unranked = [], unit = "seed", digits = 3 } = options;
  const { bestWithin, caption = "", warning = "" } = options;
  const by = typeof options.by === "string" ? [options.by] : options.by;
  for (const column of values) {
    if (rows.length > 0 && !rows.some((row) => Number.isFinite(numberAt(row, column)))) {
      throw new TypeError(
        `Cannot tabulate "${column}" as no row has a finite number there: the columns are ${[...new Set(rows.flatMap((row) => Object.keys(row)))].join(", ")}.`,
      );
    }
  }
  const groups = [
    ...groupBy(rows, (row) => JSON.stringify(by.map((column) => textAt(row, column)))).values(),
  ];
  const raw = groups.map((group) => values.map((column) => summarise(group, column, unit)));
  const contests = groups.map((group) => (bestWithin === undefined ? "" : textAt(group[0]!, bestWithin)));
  const isBest = (g: number, i: number): boolean => {
    const column = values[i]!;
    if (unranked.includes(column)) return false;
    const rivals = raw
      .filter((_, other) => contests[other] === contests[g])
      .map((line) => line[i]!.mean)
      .filter(Number.isFinite);
    const [least, most] = [Math.min(...rivals), Math.max(...rivals)];
    // Where all are equal, none is best.
    return least < most && raw[g]![i]!.mean === (lessIsBetter.includes(column) ? least : most);
  };
  const digitsOf = (column: string) => (typeof digits === "number" ? digits : (digits[column] ?? 3));
  const lines = groups.map((group, g) => ({
    names: by.map((column) => textAt(group[0]!, column)),
    cells: raw[g]!.map((cell, i) => ({ ...cell, isBest: isBest(g, i), digits: digitsOf(values[i]!) })),
  }));
  const self: Table = {
    caption,
    warning,
    header: [...by, ...values],
    lines,
    rows,
    csv: () => tableCsv(self),
    latex: () => tableLatex(self, by.length),
    markdown: () => tableMarkdown(self),
    html: () => tableHtml(self, by.length),
    [Symbol.for("Jupyter.display")]: () => ({ "text/html": self.html(), "text/plain": self.markdown() }),
  };
  return Object.freeze(self);
}

function summarise(
  group: readonly Row[],
  column: string,
  unit: string,
): Omit<TableCell, "isBest" | "digits"> {
  const units = [...groupBy(group, (row) => textAt(row, unit)).values()]
    .map((part) => part.map((row) => numberAt(row, column)).filter(Number.isFinite))
    .filter((part) => part.length > 0)
    .map((part) => part.reduce((sum, value) => sum + value, 0) / part.length);
  if (units.length === 0) return { mean: Number.NaN, low: Number.NaN, high: Number.NaN, units: 0 };
  return { ...meanInterval(units), units: units.length };
}

const half = (cell: TableCell) => (cell.high - cell.low) / 2;
const hasInterval = (cell: TableCell) => cell.units > 1 && cell.high > cell.low;

/** Fewer decimals where the number is large: 4096, 123.4, 0.842. */
function places(cell: TableCell): number {
  const size = Math.abs(cell.mean);
  if (size >= 1000 || (Number.isInteger(cell.mean) && !hasInterval(cell))) return 0;
  return size >= 100 ? Math.min(1, cell.digits) : cell.digits;
}

function tableCsv(self: Table): string {
  const by = self.header.length - (self.lines[0]?.cells.length ?? 0);
  const names = self.header.slice(0, by);
  const values = self.header.slice(by);
  const header = [
    ...names,
    ...values.flatMap((value) => [value, `${value}_low`, `${value}_high`, `${value}_units`]),
  ];
  const lines = self.lines.map((line) => [
    ...line.names,
    ...line.cells.flatMap((cell) => [cell.mean, cell.low, cell.high, cell.units]),
  ]);
  return [header, ...lines]
    .map((line) => line.map(csvCell).join(","))
    .join("\n")
    .concat("\n");
}

/** RFC 4180; a text that a spreadsheet would run as a formula is kept a text. */
export function csvCell(value: Cell): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Any rows as CSV: the union of their columns, in order of first appearance. */
export function rowsToCsv(rows: readonly Row[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = rows.map((row) => columns.map((column) => csvCell(row[column])).join(","));
  return [columns.map(csvCell).join(","), ...lines].join("\n").concat("\n");
}

const latexEscapes: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "&": "\\&",
  "%": "\\%",
  $: "\\$",
  "#": "\\#",
  _: "\\_",
  "{": "\\{",
  "}": "\\}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
};
const latexText = (text: string) => text.replace(/[\\&%$#_{}~^<>]/g, (letter) => latexEscapes[letter]!);

function tableLatex(self: Table, by: number): string {
  const cells = (cell: TableCell) => {
    if (!Number.isFinite(cell.mean)) return "--";
    const mean = cell.mean.toFixed(places(cell));
    const spread = hasInterval(cell) ? ` \\pm ${half(cell).toFixed(places(cell))}` : "";
    return cell.isBest ? `$\\mathbf{${mean}}${spread}$` : `$${mean}${spread}$`;
  };
  return [
    "% needs \\usepackage{booktabs}",
    "\\begin{table}",
    "  \\centering",
    ...(self.caption ? [`  \\caption{${latexText(self.caption)}}`] : []),
    `  \\begin{tabular}{${"l".repeat(by)}${"r".repeat(self.header.length - by)}}`,
    "    \\toprule",
    `    ${self.header.map(latexText).join(" & ")} \\\\`,
    "    \\midrule",
    ...self.lines.map(
      (line) => `    ${[...line.names.map(latexText), ...line.cells.map(cells)].join(" & ")} \\\\`,
    ),
    "    \\bottomrule",
    "  \\end{tabular}",
    "\\end{table}",
    "",
  ].join("\n");
}

function cellText(cell: TableCell): string {
  if (!Number.isFinite(cell.mean)) return "–";
  const decimals = places(cell);
  return cell.mean.toFixed(decimals) + (hasInterval(cell) ? ` ± ${half(cell).toFixed(decimals)}` : "");
}

function tableMarkdown(self: Table): string {
  const lines = self.lines.map((line) => [
    ...line.names.map((name) => name.replaceAll("|", "\\|")),
    ...line.cells.map((cell) => (cell.isBest ? `**${cellText(cell)}**` : cellText(cell))),
  ]);
  const rows = [self.header, self.header.map(() => "---"), ...lines].map((line) => `| ${line.join(" | ")} |`);
  return [
    ...(self.warning ? [self.warning, ""] : []),
    ...rows,
    ...(self.caption ? ["", self.caption] : []),
  ].join("\n");
}

export const escapeHtml = (text: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");

function tableHtml(self: Table, by: number): string {
  const head = self.header
    .map((name, i) => `<th style="text-align:${i < by ? "left" : "right"}">${escapeHtml(name)}</th>`)
    .join("");
  const body = self.lines
    .map((line) => {
      const names = line.names.map((name) => `<td style="text-align:left">${escapeHtml(name)}</td>`);
      const cells = line.cells.map((cell) => {
        const text = escapeHtml(cellText(cell));
        const title = `${cell.units} units, [${cell.low.toFixed(cell.digits)}, ${cell.high.toFixed(cell.digits)}]`;
        return `<td style="text-align:right;font-variant-numeric:tabular-nums" title="${escapeHtml(title)}">${cell.isBest ? `<b>${text}</b>` : text}</td>`;
      });
      return `<tr>${names.join("")}${cells.join("")}</tr>`;
    })
    .join("");
  const caption = self.caption
    ? `<caption style="text-align:left;caption-side:bottom;white-space:nowrap">${escapeHtml(self.caption)}</caption>`
    : "";
  const warning = self.warning ? `<p style="color:#D55E00"><b>${escapeHtml(self.warning)}</b></p>` : "";
  return `${warning}<table>${caption}<thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}
