/**
 * Content-addressed files: a blob's name is the SHA-256 of its bytes, so equal artifacts are stored once, and a blob
 * that no longer hashes to its name is found out when it is read.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { sha256 } from "./hash.ts";

export interface Blob {
  readonly sha256: string;
  readonly bytes: number;
}

export function blobPath(root: string, hash: string): string {
  return join(root, "blobs", "sha256", hash.slice(0, 2), hash);
}

/** Stores bytes; written beside and renamed, so a blob is whole or absent. */
export function putBlob(root: string, data: Uint8Array): Blob {
  const hash = sha256(data);
  const path = blobPath(root, hash);
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}.tmp`;
    writeFileSync(temporary, data);
    renameSync(temporary, path);
  }
  return { sha256: hash, bytes: data.byteLength };
}

/** @throws Error when the blob is missing, or damaged (its bytes do not hash to its name). */
export function getBlob(root: string, hash: string): Buffer {
  const path = blobPath(root, hash);
  if (!existsSync(path)) {
    throw new Error(
      `Cannot read the artifact ${hash.slice(0, 12)}… as its blob is missing from ${join(root, "blobs")}. Restore it, or make the artifact again.`,
    );
  }
  const data = readFileSync(path);
  const found = sha256(data);
  if (found !== hash) {
    throw new Error(
      `Cannot trust the artifact ${hash.slice(0, 12)}… as its bytes hash to ${found.slice(0, 12)}…: the blob was damaged. Delete ${path} and make it again.`,
    );
  }
  return data;
}

/** All blobs with their sizes. */
export function listBlobs(root: string): (Blob & { readonly path: string; readonly modified: number })[] {
  const folder = join(root, "blobs", "sha256");
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((prefix) =>
    readdirSync(join(folder, prefix))
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .map((name) => {
        const path = join(folder, prefix, name);
        const { size, mtimeMs } = statSync(path);
        return { sha256: name, bytes: size, path, modified: mtimeMs };
      }),
  );
}

export function deleteBlob(path: string): void {
  rmSync(path, { force: true });
}
