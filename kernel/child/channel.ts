/** The child's end of the frame pipe, and the request that present output belongs to. */
import { writeSync } from "node:fs";
import { encodeFrame, FRAME_FD, type Frame } from "./frames.ts";

const nap = new Int32Array(new SharedArrayBuffer(4));

/** Writes all of `bytes`, waiting where the pipe is full: output is never dropped. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.byteLength) {
    try {
      at += writeSync(fd, bytes, at, bytes.byteLength - at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(nap, 0, 0, 1);
    }
  }
}

/** Sends a frame whole. Throws a TypeError, with nothing sent, where what it holds is not JSON. */
export function send(frame: Frame, buffers: readonly Uint8Array[] = []): void {
  let bytes: Uint8Array;
  try {
    bytes = encodeFrame(frame, buffers);
  } catch (fault) {
    const reason = (fault as Error).message.split("\n")[0]!;
    throw new TypeError(
      `Cannot show the value as what it draws must be JSON: ${reason}. Leave out cycles, big integers and texts of half a gigabyte.`,
    );
  }
  writeFully(FRAME_FD, bytes);
}

let parent = "";
/** Id of the request that output is shown under: the running cell, else the last one. */
export const outputParent = (): string => parent;
export const setOutputParent = (id: string): void => {
  parent = id;
};

/** Runs the synchronous part of `work` with its output shown under `id`. */
export function underParent<T>(id: string, work: () => T): T {
  const before = parent;
  parent = id;
  try {
    return work();
  } finally {
    parent = before;
  }
}

/** process.stdout and process.stderr as frames, in one order with displays. */
export function captureStreams(): void {
  for (const name of ["stdout", "stderr"] as const) {
    const decoder = new TextDecoder();
    const write = (
      chunk: unknown,
      encoding?: BufferEncoding | ((error?: Error) => void),
      callback?: (error?: Error) => void,
    ): boolean => {
      const text =
        typeof chunk === "string"
          ? typeof encoding === "string" && !/^utf-?8$/i.test(encoding)
            ? Buffer.from(chunk, encoding).toString()
            : chunk
          : decoder.decode(chunk as Uint8Array, { stream: true });
      if (text !== "") send({ type: "stream", parent, name, text });
      const done = typeof encoding === "function" ? encoding : callback;
      if (done !== undefined) process.nextTick(done);
      return true;
    };
    process[name].write = write as typeof process.stdout.write;
  }
}
