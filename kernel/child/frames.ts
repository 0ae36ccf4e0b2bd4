/**
 * What the process of the user's code and the front say to each other.
 *
 * child -> front, one pipe (fd 3), written synchronously so that order is the order of production, even in a loop that
 * never yields: text, pictures, updates, results. front -> child, two ways: commands over IPC for the main thread, and
 * lines of JSON on a pipe for the watchdog worker, which listens also while the main thread is busy.
 */
import type { CellMap } from "../cell/transform.ts";

export type Bundle = Readonly<Record<string, unknown>>;

export interface Outcome {
  readonly data: Bundle;
  readonly metadata: Bundle;
}

export interface Failure {
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
}

export type TypeCheckMode = "error" | "warn" | "off";

/** `parent` is the id of the request that causes an output. */
export type Frame =
  | { readonly type: "ready" }
  | {
      readonly type: "stream";
      readonly parent: string;
      readonly name: "stdout" | "stderr";
      readonly text: string;
    }
  | {
      readonly type: "display";
      readonly parent: string;
      readonly data: Bundle;
      readonly metadata: Bundle;
      readonly id?: string;
      readonly update: boolean;
    }
  | { readonly type: "clear"; readonly parent: string; readonly wait: boolean }
  | {
      readonly type: "done";
      readonly parent: string;
      readonly result?: Outcome;
      readonly failure?: Failure;
      readonly expressions: Readonly<Record<string, unknown>>;
    }
  | {
      readonly type: "input";
      readonly parent: string;
      readonly id: number;
      readonly prompt: string;
      readonly password: boolean;
    }
  | {
      readonly type: "comm";
      readonly parent: string;
      readonly message: "comm_open" | "comm_msg" | "comm_close";
      readonly id: string;
      readonly target?: string;
      readonly data: unknown;
      readonly metadata: Bundle;
    }
  | { readonly type: "commDone"; readonly request: string }
  | { readonly type: "typeCheck"; readonly mode: TypeCheckMode }
  /** For the log of the kernel. */
  | { readonly type: "log"; readonly text: string };

export interface RunCommand {
  readonly op: "run";
  readonly parent: string;
  /** As it shows in stack traces: `cell[3].ts`. */
  readonly name: string;
  readonly source: string;
  readonly script: string;
  readonly map: CellMap;
  readonly silent: boolean;
  readonly expressions: Readonly<Record<string, string>>;
}

export interface CommCommand {
  readonly parent: string;
  readonly op: "comm";
  /** Id of the request, given back in `commDone`. */
  readonly request: string;
  readonly message: "comm_open" | "comm_msg" | "comm_close";
  readonly id: string;
  readonly target: string;
  readonly data: unknown;
  readonly metadata: Bundle;
  readonly buffers: readonly Uint8Array[];
}

export type Command = RunCommand | CommCommand | { readonly op: "exit" };

/** To the watchdog worker, which hands it on to the main thread. `value: null`: this front end has no stdin. */
export type WatchdogLine =
  | { readonly interrupt: string }
  | { readonly input: number; readonly value: string | null };

/** What the main thread says to the watchdog: `strike`: it stands still where a termination does no harm. */
export type WatchdogNote = { readonly over: string } | { readonly strike: true } | { readonly sound: string };
/** And back: no termination is under way any more; there was one, so see whether Node's event loop still works. */
export type MainLine = WatchdogLine | { readonly clear: string } | { readonly probe: string };

/** The "cell" of an interrupt that comes while none runs: a callback may be stuck. */
export const NO_CELL = "";

/**
 * Memory that the watchdog shares with the main thread: how many interrupts were answered, how many lines handed over,
 * whether a cell is being stopped, so that a termination may be on its way, how many strikes were dealt with, and whether
 * the watchdog looks for the moment of one.
 */
export const Shared = { ANSWERED: 0, LINES: 1, STOPPING: 2, STRIKES: 3, PURSUED: 4 } as const;
export const SHARED_BYTES = 20;

/** File descriptors of the child. */
export const FRAME_FD = 3;
/**
 * One for each life of the watchdog. A thread that ends closes its pipe if it had come so far as to listen there; nobody
 * else does that, as the number may be somebody else's by then.
 */
export const WATCHDOG_FDS: readonly number[] = [4, 6];

/** Begins each frame, so that bytes of anybody else's are told from one. */
const MAGIC = 0x6f727aff;
const HEAD_BYTES = 12;

// Taken before any cell can replace them.
const { stringify } = JSON;
const bytesOf = Buffer.from.bind(Buffer) as (text: string) => Buffer;

/** [magic u32][json bytes u32][buffer count u32][bytes u32 of each buffer][json][buffers] */
export function encodeFrame(frame: Frame, buffers: readonly Uint8Array[] = []): Buffer {
  const json = bytesOf(stringify(frame));
  const head = Buffer.allocUnsafe(HEAD_BYTES + 4 * buffers.length);
  head.writeUInt32LE(MAGIC, 0);
  head.writeUInt32LE(json.byteLength, 4);
  head.writeUInt32LE(buffers.length, 8);
  buffers.forEach((buffer, index) => {
    head.writeUInt32LE(buffer.byteLength, HEAD_BYTES + 4 * index);
  });
  return Buffer.concat([head, json, ...buffers]);
}

/**
 * Feeds the bytes of the pipe, in whatever pieces they come, and calls `take` for each whole frame. Throws where they are
 * no frames: code of a cell may write to any descriptor.
 */
export function frameReader(
  take: (frame: Frame, buffers: readonly Uint8Array[]) => void,
): (chunk: Buffer) => void {
  let pieces: Buffer[] = [];
  let held = 0;
  let wanted = HEAD_BYTES; // Bytes needed before the next attempt: joining pieces of a large frame again and again is quadratic.
  return (chunk) => {
    pieces.push(chunk);
    held += chunk.byteLength;
    if (held < wanted) return;
    let bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    while (bytes.byteLength >= HEAD_BYTES) {
      if (bytes.readUInt32LE(0) !== MAGIC)
        throw new Error("internal: bytes on the pipe of frames that are none");
      const count = bytes.readUInt32LE(8);
      const headEnd = HEAD_BYTES + 4 * count;
      if (bytes.byteLength < headEnd) {
        wanted = headEnd;
        break;
      }
      const sizes = Array.from({ length: count }, (_, index) => bytes.readUInt32LE(HEAD_BYTES + 4 * index));
      const jsonEnd = headEnd + bytes.readUInt32LE(4);
      const end = sizes.reduce((sum, size) => sum + size, jsonEnd);
      if (bytes.byteLength < end) {
        wanted = end;
        break;
      }
      const buffers: Uint8Array[] = [];
      let at = jsonEnd;
      for (const size of sizes) {
        buffers.push(bytes.subarray(at, at + size));
        at += size;
      }
      const frame = JSON.parse(bytes.toString("utf8", headEnd, jsonEnd)) as Frame;
      if (typeof frame?.type !== "string") throw new Error("internal: a frame without a type");
      take(frame, buffers);
      bytes = bytes.subarray(end);
      wanted = HEAD_BYTES;
    }
    pieces = bytes.byteLength > 0 ? [bytes] : [];
    held = bytes.byteLength;
  };
}
