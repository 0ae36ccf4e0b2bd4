/**
 * PNG with a palette of at most 256 colours (W3C PNG, third edition): a chart is five times smaller than as RGBA, and
 * notebooks that carry charts stay small. Colours are chosen by how often they occur; charts have few, and the blends
 * at edges tolerate the nearest neighbour.
 */
import { crc32, deflateSync } from "node:zlib";

/** @param pixels RGBA, row-major, straight alpha. */
export function encodeIndexedPng(pixels: Uint8Array, width: number, height: number): Uint8Array {
  const { palette, indices } = quantize(pixels);
  const raw = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) raw.set(indices.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const colors = Buffer.alloc(palette.length * 3);
  const alphas = Buffer.alloc(palette.length);
  palette.forEach((color, i) => {
    colors.set([color >>> 24, (color >>> 16) & 255, (color >>> 8) & 255], i * 3);
    alphas[i] = color & 255;
  });
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("PLTE", colors),
    chunk("tRNS", alphas),
    chunk("IDAT", deflateSync(raw, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** The palette (0xRRGGBBAA) and each pixel's index in it. */
function quantize(pixels: Uint8Array): { palette: number[]; indices: Uint8Array } {
  const count = pixels.length / 4;
  const keys = new Uint32Array(count);
  const frequency = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const alpha = pixels[i * 4 + 3]!;
    const key =
      alpha === 0
        ? 0
        : ((pixels[i * 4]! << 24) | (pixels[i * 4 + 1]! << 16) | (pixels[i * 4 + 2]! << 8) | alpha) >>> 0;
    keys[i] = key;
    frequency.set(key, (frequency.get(key) ?? 0) + 1);
  }
  const ranked = [...frequency].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([key]) => key);
  const palette = ranked.slice(0, 256);
  const index = new Map(palette.map((key, i) => [key, i]));
  for (const key of ranked.slice(256)) index.set(key, nearest(key, palette));
  const indices = new Uint8Array(count);
  for (let i = 0; i < count; i++) indices[i] = index.get(keys[i]!)!;
  return { palette, indices };
}

/** Nearest by squared distance of premultiplied colour and alpha: what differs on the page. */
function nearest(key: number, palette: readonly number[]): number {
  const [red, green, blue, alpha] = premultiplied(key);
  let best = 0;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const [i, candidate] of palette.entries()) {
    const [r, g, b, a] = premultiplied(candidate);
    const distance = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2 + (a - alpha) ** 2;
    if (distance < bestDistance) {
      bestDistance = distance;
      best = i;
    }
  }
  return best;
}

function premultiplied(key: number): [number, number, number, number] {
  const alpha = key & 255;
  return [
    ((key >>> 24) * alpha) / 255,
    (((key >>> 16) & 255) * alpha) / 255,
    (((key >>> 8) & 255) * alpha) / 255,
    alpha,
  ];
}
