/**
 * Sees to it that the process of the user's code never outlives the front, which may be killed at any moment. The
 * watchdog sees to that too, but it is a thread of that very process and may have ended while the main thread loops. So
 * a shell of its own session waits at a pipe whose other end only the front holds.
 */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";

/** A line: the process has ended. The end of the pipe without one: the front has. */
const WAIT = 'read -r _ || kill -KILL "$0"';

/** Guards the process `pid` until the function returned is called. Does nothing where there is no shell. */
export function guard(pid: number): () => void {
  const shell = spawn("/bin/sh", ["-c", WAIT, String(pid)], {
    cwd: "/",
    // Not in the front's process group, which may be killed as a whole.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // None where the front has no descriptor left for it.
  const pipe = shell.stdin as Socket | undefined;
  shell.on("error", () => {});
  pipe?.on("error", () => {});
  shell.unref();
  pipe?.unref();
  return () => {
    pipe?.end("\n");
  };
}
