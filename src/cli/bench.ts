/** `zoetrope bench [part]`: measures, prints a table with ratios of one run, or with --json only the value. */
import { delegate } from "./delegate.ts";

/** What a part measured: the shape that every bench returns. */
export interface Measured {
  /** On which machine and device. */
  readonly machine?: string;
  readonly rows: readonly { readonly work: string; readonly value: number; readonly unit: string }[];
  readonly ratios: Readonly<Record<string, number>>;
}

export interface BenchOptions {
  readonly json: boolean;
  readonly quick?: boolean;
  readonly python?: string;
  readonly only?: string;
}

/** Each part in its own module, loaded when asked for. */
const parts: Readonly<Record<string, (options: BenchOptions) => Promise<Measured | undefined>>> = {
  async engine({ json, quick = false, python, only }) {
    const { benchEngine } = await import("../tensor/bench/engine.ts");
    await benchEngine({
      json,
      quick,
      ...(python !== undefined && { python }),
      ...(only !== undefined && { only }),
    });
    return undefined;
  },
  async kernel({ json }) {
    process.exitCode = await delegate(["bench", ...(json ? ["--json"] : [])]);
    return undefined;
  },
  train: async () => (await import("../train/bench/train.ts")).bench(),
  rollout: async () => (await import("../sample/bench/rollout.ts")).bench(),
  search: async () => (await import("../search/bench/search.ts")).bench(),
  lab: async () => (await import("../lab/bench/lab.ts")).bench(),
};

export const benchParts: readonly string[] = Object.keys(parts);

/** @throws RangeError for an unknown part. */
export async function bench(names: readonly string[], options: BenchOptions): Promise<void> {
  const unknown = names.find((name) => !(name in parts));
  if (unknown !== undefined) {
    throw new RangeError(
      `Cannot measure "${unknown}": the parts are ${benchParts.join(", ")}. Name one of them.`,
    );
  }
  for (const name of names.length > 0 ? names : benchParts) {
    if (!options.json) process.stdout.write(`\n${name}\n`);
    const measured = await parts[name]!(options);
    if (measured === undefined) continue;
    process.stdout.write(options.json ? `${JSON.stringify(measured)}\n` : table(measured));
  }
}

function table({ machine, rows, ratios }: Measured): string {
  const width = Math.max(
    ...rows.map(({ work }) => work.length),
    ...Object.keys(ratios).map((key) => key.length),
  );
  const shown = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));
  return [
    ...(machine === undefined ? [] : [`  ${machine}`]),
    ...rows.map(({ work, value, unit }) => `  ${work.padEnd(width)}  ${shown(value).padStart(10)} ${unit}`),
    "  ratios of this run",
    ...Object.entries(ratios).map(([key, value]) => `  ${key.padEnd(width)}  ${shown(value).padStart(10)}`),
    "",
  ].join("\n");
}
