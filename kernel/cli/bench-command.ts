/** `bench`: the kernel beside tslab, Deno and ipykernel, as a table or as JSON rows. */
import { benchKernel, type KernelRow } from "../bench/kernel.ts";

export interface BenchCommandOptions {
  readonly repeats: number;
  readonly peers: string;
  readonly json: boolean;
}

const peerNames = ["tslab", "deno", "ipykernel"] as const;

export async function benchCommand({ repeats, peers, json }: BenchCommandOptions): Promise<void> {
  const wanted = peers.split(",").filter((name) => name !== "" && name !== "none");
  const unknown = wanted.find((name) => !peerNames.some((known) => known === name));
  if (unknown !== undefined)
    throw new RangeError(
      `Cannot measure "${unknown}" as no such peer is known. Known peers: ${peerNames.join(", ")}, none.`,
    );
  const rows = await benchKernel({
    repeats,
    peers: peerNames.filter((name) => wanted.includes(name)),
    onProgress: (sentence) => process.stderr.write(`${sentence} ...\n`),
  });
  process.stdout.write(json ? `${JSON.stringify(rows, null, 2)}\n` : tableOf(rows));
}

const columns: readonly (readonly [string, (row: KernelRow) => string | number])[] = [
  ["kernel", (row) => `${row.kernel} ${row.version}`.trim()],
  ["start ms", (row) => row.startMs],
  ["1+1 ms", (row) => row.warmCellMs],
  ["interrupt ms", (row) => row.interruptMs],
  ["state kept", (row) => row.stateKept],
  ["of 10,000 lines", (row) => row.printedLines],
  ["prints ms", (row) => row.printMs],
  ["loop / in function", (row) => row.loopRatio],
  ["idle MiB", (row) => row.idleMiB],
];

/** Rows as aligned text; a row that could not be measured says why below. */
export function tableOf(rows: readonly KernelRow[]): string {
  const cells = [
    columns.map(([title]) => title),
    ...rows.map((row) => columns.map(([, of]) => String(of(row)))),
  ];
  const widths = columns.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const lines = cells.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join("  "),
  );
  const notes = rows.filter(({ note }) => note !== "").map(({ kernel, note }) => `${kernel}: ${note}`);
  const repeats = Math.max(0, ...rows.map((row) => row.repeats));
  return `${[...lines, ...notes, `Medians of ${repeats} starts each, in one run on one machine.`].join("\n")}\n`;
}
