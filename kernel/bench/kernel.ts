/**
 * The kernel beside the others that run TypeScript (tslab, Deno) and beside ipykernel: the same client, the same
 * machine, one after the other, medians. `npm run bench -- kernel`. Peers are installed into a temporary folder from
 * the package registry; one that cannot be had is a row that says so.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { pythonEnvironment } from "../cli/python-environment.ts";
import { connectKernel, contentOf, type KernelClient } from "../client/kernel-client.ts";
import { type KernelProcess, startKernelProcess } from "../client/kernel-process.ts";
import { type KernelSpec, ownKernel } from "../client/kernelspec.ts";
import { packageVersion } from "../package-root.ts";

const run = promisify(execFile);

/** One kernel's figures; a figure that the kernel cannot give is the word for why. */
export interface KernelRow {
  readonly kernel: string;
  readonly version: string;
  /** Process start to first kernel_info_reply, ms. */
  readonly startMs: number | string;
  /** `1+1` sent to idle received, warm, ms. */
  readonly warmCellMs: number | string;
  /** Interrupt sent to execute_reply for `while(true){}`, ms. */
  readonly interruptMs: number | string;
  readonly stateKept: "yes" | "no";
  /** Of 10,000 printed lines, how many arrived before idle, and how long it took until idle, ms. */
  readonly printedLines: number;
  readonly printMs: number | string;
  /** Time of a loop that adds numbers up, at the top level of a cell over that in a function. */
  readonly loopRatio: number | string;
  /** Proportional set size of all its processes when idle, MiB (Linux only). */
  readonly idleMiB: number | string;
  readonly repeats: number;
  /** Empty, or why this kernel could not be measured. */
  readonly note: string;
}

export interface BenchKernelOptions {
  /** How often each kernel is started; figures are medians over it. Default 5. */
  readonly repeats?: number;
  /** Peers beside ours. Default all. */
  readonly peers?: readonly ("tslab" | "deno" | "ipykernel")[];
  readonly onProgress?: (sentence: string) => void;
  readonly signal?: AbortSignal;
}

interface Candidate {
  readonly spec: KernelSpec;
  readonly version: string;
  readonly code: {
    readonly define: string;
    readonly recall: string;
    readonly loop: string;
    readonly prints: string;
    /** Prints the ratio of the two loops. */
    readonly ratio: string;
  };
  readonly env?: { readonly [name: string]: string };
}

const sum = "for (let i = 0; i < 2e7; i++) sum += i * 0.5;";
const typescript = {
  define: "let kept = 41",
  recall: "console.log(kept + 1)",
  loop: "while (true) {}",
  prints: "for (let i = 0; i < 10000; i++) console.log('line ' + i)",
  ratio: `let sum = 0; let t0 = performance.now(); ${sum} let t1 = performance.now();
(() => { let sum = 0; ${sum} return sum; })(); console.log((t1 - t0) / (performance.now() - t1))`,
};
const pythonSum = ["sum = 0", "for i in range(2 * 10**7): sum += i * 0.5"];
const python = {
  define: "kept = 41",
  recall: "print(kept + 1)",
  loop: "while True: pass",
  prints: "for i in range(10000): print('line', i)",
  ratio: [
    "import time",
    ...["def loop():", ...pythonSum.map((line) => `  ${line}`)],
    ...[
      "t0 = time.time()",
      ...pythonSum,
      "t1 = time.time()",
      "loop()",
      "print((t1 - t0) / (time.time() - t1))",
    ],
  ].join("\n"),
};

/** Longest wait for one answer, ms: a kernel that needs more counts as never answering. */
const patience = 10_000;

/** Whether more than half of `repeats` runs gave no answer: the median is known, and waiting for the others is idle. */
const isNever = (values: readonly number[], repeats: number): boolean =>
  2 * values.filter((value) => value === Number.POSITIVE_INFINITY).length > repeats;

/** Measures this package's kernel and its peers; one row each, ours first. */
export async function benchKernel(options: BenchKernelOptions = {}): Promise<KernelRow[]> {
  const {
    repeats = 5,
    peers = ["tslab", "deno", "ipykernel"],
    onProgress = () => undefined,
    signal,
  } = options;
  const own: Candidate = {
    spec: { ...ownKernel(), name: "zoetrope" },
    version: packageVersion,
    code: typescript,
  };
  const folder = mkdtempSync(join(tmpdir(), "zoetrope-bench-kernel-"));
  const rows: KernelRow[] = [];
  try {
    // All are installed before the first is measured, so that no disk is still busy with one of them.
    const candidates = new Map<string, Candidate | Error>([["zoetrope", own]]);
    for (const name of peers) {
      signal?.throwIfAborted();
      onProgress(`installing ${name}`);
      candidates.set(name, await peer(name, folder).catch((error: Error) => error));
    }
    for (const [name, candidate] of candidates) {
      signal?.throwIfAborted();
      onProgress(`measuring ${name}`);
      try {
        if (candidate instanceof Error) throw candidate;
        rows.push(await measure(candidate, repeats, signal));
      } catch (error) {
        signal?.throwIfAborted();
        rows.push(unmeasured(name, (error as Error).message.split("\n")[0]!));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}

async function peer(name: "tslab" | "deno" | "ipykernel", folder: string): Promise<Candidate> {
  const base = { interruptMode: "signal" as const, env: {}, displayName: name, language: "typescript", name };
  if (name === "ipykernel") {
    const { environment, reason } = await pythonEnvironment();
    if (environment === undefined) throw new Error(reason);
    const { stdout } = await run(environment.python, [
      "-c",
      "import ipykernel; print(ipykernel.__version__)",
    ]);
    const argv = [environment.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"];
    return {
      spec: { ...base, language: "python", argv },
      version: stdout.trim(),
      code: python,
      env: environment.env,
    };
  }
  const version = { tslab: "1.0.22", deno: "2.9.6" }[name];
  const npm = process.env["npm_execpath"];
  // A global install into a prefix of its own: tslab finds the types of Node only beside itself.
  const install = [
    "install",
    "--global",
    "--prefix",
    folder,
    `${name}@${version}`,
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  await (npm ? run(process.execPath, [npm, ...install]) : run("npm", install));
  const program = join(folder, "lib/node_modules", name);
  const argv =
    name === "tslab"
      ? [process.execPath, join(program, "bin/tslab"), "kernel", "--config-path", "{connection_file}"]
      : [join(program, "deno"), "jupyter", "--kernel", "--conn", "{connection_file}"];
  return { spec: { ...base, argv }, version, code: typescript };
}

async function measure(candidate: Candidate, repeats: number, signal?: AbortSignal): Promise<KernelRow> {
  const runs: Figures[] = [];
  for (let i = 0; i < repeats; i++) {
    signal?.throwIfAborted();
    const skips = {
      interrupt: isNever(
        runs.map(({ interrupt }) => interrupt),
        repeats,
      ),
      prints: isNever(
        runs.map(({ print }) => print),
        repeats,
      ),
    };
    runs.push(await measureOnce(candidate, skips));
  }
  const middle = (pick: (figures: Figures) => number) => rounded(median(runs.map(pick)));
  return {
    kernel: candidate.spec.name,
    version: candidate.version,
    startMs: middle((figures) => figures.start),
    warmCellMs: middle((figures) => figures.warm),
    interruptMs: middle((figures) => figures.interrupt),
    stateKept: runs.every((figures) => figures.isStateKept) ? "yes" : "no",
    printedLines: Math.min(...runs.map((figures) => figures.lines)),
    printMs: middle((figures) => figures.print),
    loopRatio: middle((figures) => figures.ratio),
    idleMiB: middle((figures) => figures.memory),
    repeats,
    note: "",
  };
}

/** Milliseconds, Infinity = never within our patience; memory in MiB, NaN = not measurable here. */
interface Figures {
  readonly start: number;
  readonly warm: number;
  readonly interrupt: number;
  readonly isStateKept: boolean;
  readonly lines: number;
  readonly print: number;
  readonly ratio: number;
  readonly memory: number;
}

/** What is known to be never answered, and not asked again. */
interface Skips {
  readonly interrupt: boolean;
  readonly prints: boolean;
}

/** Two kernels: interrupts and floods of output each leave some kernels unable to answer anything after. */
async function measureOnce(candidate: Candidate, skips: Skips): Promise<Figures> {
  const quiet = await withKernel(candidate, (started) => measureQuiet(started, skips));
  if (skips.prints) return { ...quiet, lines: Number.POSITIVE_INFINITY, print: Number.POSITIVE_INFINITY };
  const printed = await withKernel(candidate, async ({ client }) => {
    await execute(client, "1+1");
    return execute(client, candidate.code.prints);
  });
  return { ...quiet, lines: printed.text.split("\n").length - 1, print: printed.ms };
}

interface Started {
  readonly kernel: KernelProcess;
  readonly client: KernelClient;
  readonly start: number;
  readonly candidate: Candidate;
}

async function withKernel<T>(candidate: Candidate, use: (started: Started) => Promise<T>): Promise<T> {
  const { spec, env } = candidate;
  const startedAt = performance.now();
  const kernel = await startKernelProcess(spec, { ...(env && { env }) });
  const client = connectKernel(kernel.connection);
  void kernel.ended.then((reason) => client.fail(new Error(reason)));
  try {
    await client.request("shell", "kernel_info_request");
    const start = performance.now() - startedAt;
    await client.ready();
    return await use({ kernel, client, start, candidate });
  } finally {
    client.close();
    kernel.dispose();
  }
}

async function measureQuiet(
  { kernel, client, start, candidate }: Started,
  skips: Skips,
): Promise<Omit<Figures, "lines" | "print">> {
  const { code, spec } = candidate;
  await execute(client, "1+1");
  const warm: number[] = [];
  for (let i = 0; i < 20; i++) warm.push((await execute(client, "1+1")).ms);
  await pause(1500);
  const memory = memoryOf(kernel.pid);
  const ratio = Number.parseFloat((await execute(client, code.ratio)).text);
  const known = { start, warm: median(warm), memory, ratio };
  if (skips.interrupt) return { ...known, interrupt: Number.POSITIVE_INFINITY, isStateKept: false };
  await execute(client, code.define);
  const interrupt = await interruptLoop(kernel, client, spec, code.loop);
  // tslab refuses whatever comes in the first 200 ms after an error.
  await pause(500);
  const recalled = interrupt === Number.POSITIVE_INFINITY ? "" : (await execute(client, code.recall)).text;
  return { ...known, interrupt, isStateKept: recalled.includes("42") };
}

/** Time to idle and what was printed until then; Infinity when idle never comes. */
async function execute(
  client: KernelClient,
  code: string,
): Promise<{ readonly ms: number; readonly text: string }> {
  let text = "";
  const startedAt = performance.now();
  const done = client.execute(code, {
    onMessage: (message) => {
      if (message.header.msg_type === "stream") text += String(contentOf(message)["text"]);
    },
  });
  const answer = await Promise.race([done.catch(() => undefined), pause(patience)]);
  return { ms: answer === undefined ? Number.POSITIVE_INFINITY : performance.now() - startedAt, text };
}

async function interruptLoop(
  kernel: KernelProcess,
  client: KernelClient,
  spec: KernelSpec,
  loop: string,
): Promise<number> {
  const done = client.execute(loop).catch(() => undefined);
  await pause(500);
  const startedAt = performance.now();
  if (spec.interruptMode === "signal") kernel.kill("SIGINT");
  else void client.request("control", "interrupt_request").catch(() => undefined);
  const answer = await Promise.race([done, pause(patience)]);
  return answer === undefined ? Number.POSITIVE_INFINITY : performance.now() - startedAt;
}

/** Memory of a process and all below it, shared pages counted by share (/proc/<pid>/smaps_rollup, Pss). */
function memoryOf(pid: number): number {
  if (process.platform !== "linux") return Number.NaN;
  const parents = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      // The name in parentheses may hold spaces; the parent's id is the second field after it.
      const fields = readFileSync(`/proc/${entry}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      parents.set(Number(entry), Number(fields[1]));
    } catch {
      // ended meanwhile
    }
  }
  const isBelow = (candidate: number): boolean => {
    for (let at: number | undefined = candidate; at !== undefined && at > 1; at = parents.get(at))
      if (at === pid) return true;
    return false;
  };
  let kib = 0;
  for (const candidate of parents.keys()) {
    if (!isBelow(candidate)) continue;
    try {
      kib += Number(
        /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${candidate}/smaps_rollup`, "utf8"))?.[1] ?? 0,
      );
    } catch {
      // ended meanwhile
    }
  }
  return kib / 1024;
}

function unmeasured(kernel: string, note: string): KernelRow {
  const none = "not measured";
  return {
    kernel,
    version: "",
    startMs: none,
    warmCellMs: none,
    interruptMs: none,
    stateKept: "no",
    printedLines: 0,
    printMs: none,
    loopRatio: none,
    idleMiB: none,
    repeats: 0,
    note,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function rounded(value: number): number | string {
  if (value === Number.POSITIVE_INFINITY) return "never";
  return Number.isNaN(value) ? "not measurable here" : Number(value.toPrecision(3));
}

const pause = (ms: number): Promise<undefined> =>
  new Promise((resolve) => setTimeout(() => resolve(undefined), ms).unref());
