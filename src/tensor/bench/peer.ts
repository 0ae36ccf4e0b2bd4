/**
 * A peer of the engine bench: a process that is told one work at a time, so that all engines take turns on the same
 * machine, a crash or a hang of one spoils nothing of the others, and each one's peak of memory is its own.
 *
 * Protocol: a line of JSON `{ kind, work, repeat }` in, a line `{ ms: [...] }` or `{ error }` out; the first line out is
 * the peer's hello.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface PeerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export type Hello = Readonly<Record<string, string | number>>;

export interface Peer {
  /** What the process said of itself when it started; it starts with the first question. */
  hello(): Promise<Hello>;
  /**
   * Milliseconds of each of `repeat` runs.
   * @throws Error with the reason in a few words: the peer lacks the work, took more than `limitMs`, or ended.
   */
  measure(kind: string, work: string, options?: { repeat?: number; limitMs?: number }): Promise<number[]>;
  close(): void;
}

interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly lines: AsyncIterator<string>;
  readonly hello: Hello;
  readonly complaint: () => string;
}

const START_LIMIT_MS = 60_000;
const WORK_LIMIT_MS = 30_000;

/** Calls `stop` and throws when `promise` is not settled in time. */
async function within<T>(promise: Promise<T>, limitMs: number, stop: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      stop();
      reject(new Error(`took more than ${(limitMs / 1000).toFixed(0)} s`));
    }, limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function nextLine({ lines, complaint }: Omit<Running, "hello">): Promise<unknown> {
  const { value, done } = await lines.next();
  if (done) throw new Error(`the process ended: ${complaint().trim().split("\n").at(-1) || "no message"}`);
  return JSON.parse(value);
}

/** A peer that starts when it is first asked, and again after it had to be stopped. */
export function peer({ command, args, env = process.env }: PeerCommand): Peer {
  let running: Promise<Running> | undefined;
  const close = (): void => {
    running?.then(({ child }) => child.kill("SIGKILL")).catch(() => {});
    running = undefined;
  };
  const launch = async (): Promise<Running> => {
    const child = spawn(command, args, { env });
    // A peer that is gone is noticed where its answer is awaited.
    child.once("error", () => {});
    child.stdin.on("error", () => {});
    let said = "";
    child.stderr.on("data", (chunk) => {
      said = `${said}${chunk}`.slice(-4000);
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const partial = { child, lines, complaint: () => said };
    const hello = await within(nextLine(partial), START_LIMIT_MS, () => child.kill("SIGKILL"));
    return { ...partial, hello: hello as Hello };
  };
  const started = (): Promise<Running> => {
    running ??= launch();
    return running;
  };
  return Object.freeze({
    hello: async () => (await started()).hello,
    async measure(kind: string, work: string, { repeat = 1, limitMs = WORK_LIMIT_MS } = {}) {
      const own = await started();
      own.child.stdin.write(`${JSON.stringify({ kind, work, repeat })}\n`);
      let answer: { ms?: number[]; error?: string };
      try {
        answer = (await within(nextLine(own), limitMs, close)) as typeof answer;
      } catch (error) {
        close();
        throw error;
      }
      if (answer.ms === undefined) throw new Error(answer.error ?? "no answer");
      return answer.ms;
    },
    close,
  });
}
