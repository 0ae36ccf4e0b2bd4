/**
 * The zip archives that VBench's leaderboard takes: read and written in memory (PKWARE APPNOTE 6.3, without encryption,
 * several volumes and zip64, which no result file needs). Written archives are a pure function of their entries.
 */
import { crc32, deflateRawSync, inflateRawSync } from "node:zlib";

export interface ZipEntry {
  /** Path inside the archive, with forward slashes. */
  readonly name: string;
  readonly data: Uint8Array;
}

const localMark = 0x04034b50;
const centralMark = 0x02014b50;
const endMark = 0x06054b50;
const utf8Names = 0x800;
const stored = 0;
const deflated = 8;
/** 1980-01-01 00:00:00, the first date that the format knows. */
const firstDay = 0x0021;

/** More than any set of result files unpacks to; a zip bomb does. */
const mostBytes = 2 ** 30;

/** @throws RangeError for more than 65535 entries, or a name that occurs twice. */
export function writeZip(entries: readonly ZipEntry[]): Buffer {
  if (entries.length > 0xffff)
    throw new RangeError(`Cannot zip ${entries.length} files as an archive holds 65535. Zip fewer.`);
  const twice = entries.find(({ name }, i) => entries.findIndex((other) => other.name === name) !== i);
  if (twice) throw new RangeError(`Cannot zip two files named "${twice.name}". Rename one.`);
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data } of entries) {
    const path = Buffer.from(name, "utf8");
    const packed = deflateRawSync(data, { level: 9 });
    const isSmaller = packed.length < data.length;
    const body = isSmaller ? packed : Buffer.from(data);
    // Version 2.0, flags, method, time, date, crc, packed size, size, name length, no extra field.
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(utf8Names, 2);
    shared.writeUInt16LE(isSmaller ? deflated : stored, 4);
    shared.writeUInt16LE(firstDay, 8);
    shared.writeUInt32LE(crc32(data), 10);
    shared.writeUInt32LE(body.length, 14);
    shared.writeUInt32LE(data.length, 18);
    shared.writeUInt16LE(path.length, 22);
    parts.push(uint32(localMark), shared, path, body);
    // Made by version 2.0; no comment, first volume, no attributes, where the entry starts.
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(uint32(centralMark), Buffer.from([20, 0]), shared, place, path);
    offset += 30 + path.length + body.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(endMark, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

/** Files of an archive in the order of its directory; folders are left out. @throws TypeError for what is not a whole, plain zip. */
export function readZip(bytes: Uint8Array, name = "the archive"): ZipEntry[] {
  const archive = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fail = (reason: string): never => {
    throw new TypeError(`Cannot read ${name} as a zip: ${reason}. Zip the result files again.`);
  };
  try {
    return read(archive, fail);
  } catch (error) {
    // A length that points behind the end, or a stream that does not inflate.
    if (error instanceof RangeError || (error as NodeJS.ErrnoException).code?.startsWith("Z_"))
      return fail(`it is damaged (${(error as Error).message})`);
    throw error;
  }
}

function read(archive: Buffer, fail: (reason: string) => never): ZipEntry[] {
  const end = archive.lastIndexOf(uint32(endMark));
  if (end < 0) fail("it has no directory");
  const count = archive.readUInt16LE(end + 10);
  let at = archive.readUInt32LE(end + 16);
  if (count === 0xffff || at === 0xffffffff) fail("it is a zip64 archive");
  let total = 0;
  const entries: ZipEntry[] = [];
  for (let i = 0; i < count; i++) {
    if (archive.readUInt32LE(at) !== centralMark) fail(`entry ${i} of its directory is damaged`);
    const flags = archive.readUInt16LE(at + 8);
    const method = archive.readUInt16LE(at + 10);
    const check = archive.readUInt32LE(at + 16);
    const packed = archive.readUInt32LE(at + 20);
    const size = archive.readUInt32LE(at + 24);
    const nameLength = archive.readUInt16LE(at + 28);
    const local = archive.readUInt32LE(at + 42);
    const path = archive.toString("utf8", at + 46, at + 46 + nameLength).replaceAll("\\", "/");
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
    if (path.endsWith("/")) continue;
    if (flags & 1) fail(`"${path}" is encrypted`);
    if (method !== stored && method !== deflated) fail(`"${path}" is packed by method ${method}`);
    total += size;
    if (total > mostBytes) fail(`it unpacks to more than ${mostBytes / 2 ** 20} MiB`);
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    const body = archive.subarray(start, start + packed);
    const data = method === stored ? Buffer.from(body) : inflateRawSync(body, { maxOutputLength: size || 1 });
    if (data.length !== size || crc32(data) !== check) fail(`"${path}" is damaged`);
    entries.push({ name: path, data });
  }
  return entries;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
