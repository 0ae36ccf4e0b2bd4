/** Files that somebody names: what stands in the way of reading one is said in words, with the system's error as the cause. */
import { readFileSync } from "node:fs";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  EACCES: "permission is denied",
};

/** @param action completes "Cannot ..." @throws Error with the reason why the file cannot be read */
export function givenBytes(path: string, action: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const { code = "", message } = cause as NodeJS.ErrnoException;
    throw new Error(
      `Cannot ${action} as ${path} cannot be read: ${REASONS[code] ?? message}. Check the path.`,
      {
        cause,
      },
    );
  }
}

/** The same as text. */
export const givenText = (path: string, action: string): string => givenBytes(path, action).toString("utf8");
