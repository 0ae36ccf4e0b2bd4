/**
 * The file system as the compiler asks for it, remembered: each new cell makes it look at the same thousand places
 * again, which took longer than checking the cell. Forgotten whenever something was not found, as it may exist by now.
 */
import ts from "./typescript.ts";

export interface Disk {
  readonly fileExists: (path: string) => boolean;
  readonly directoryExists: (path: string) => boolean;
  readonly readFile: (path: string) => string | undefined;
  readonly getDirectories: (path: string) => string[];
  readonly realpath: (path: string) => string;
  forget(): void;
}

export function rememberedDisk(): Disk {
  const memories: Map<string, unknown>[] = [];
  const remembered = <T>(ask: (path: string) => T): ((path: string) => T) => {
    const memory = new Map<string, T>();
    memories.push(memory);
    return (path) => {
      if (memory.has(path)) return memory.get(path)!;
      const answer = ask(path);
      memory.set(path, answer);
      return answer;
    };
  };
  const manifest = remembered((path) => ts.sys.readFile(path));
  return Object.freeze({
    fileExists: remembered((path) => ts.sys.fileExists(path)),
    directoryExists: remembered((path) => ts.sys.directoryExists(path)),
    getDirectories: remembered((path) => ts.sys.getDirectories(path)),
    realpath: remembered((path) => ts.sys.realpath?.(path) ?? path),
    // Sources are kept by the compiler itself; manifests it reads again and again.
    readFile: (path: string) => (path.endsWith("/package.json") ? manifest(path) : ts.sys.readFile(path)),
    forget(): void {
      for (const memory of memories) memory.clear();
    },
  });
}
