/**
 * How a tensor shows in a notebook: one line of shape, type, device and statistics, the values where they are few, and a
 * small picture where the shape is that of a matrix, an image or a batch of images; and how much memory it holds.
 */
import { deflateSync } from "node:zlib";
import { type Tensor, tf } from "./tf.ts";

export interface TensorSummary {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
  readonly nans: number;
}

/** Statistics over the values that are numbers; NaN for all four when there are none. */
export function summarize(values: ArrayLike<number>): TensorSummary {
  let [min, max, sum, squares, count] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (Number.isNaN(v)) continue;
    count++;
    sum += v;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  const mean = sum / count;
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i]!)) squares += (values[i]! - mean) ** 2;
  const none = count === 0;
  return {
    min: none ? Number.NaN : min,
    max: none ? Number.NaN : max,
    mean,
    std: Math.sqrt(squares / count),
    nans: values.length - count,
  };
}

const CRC = Int32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});
function chunk(name: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  let crc = -1;
  for (const byte of body) crc = CRC[(crc ^ byte) & 255]! ^ (crc >>> 8);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeInt32BE(~crc);
  return Buffer.concat([length, body, sum]);
}

/** An 8-bit PNG of `channels` 1 (grey) or 3 (RGB) from rows of pixels. */
export function encodePng(pixels: Uint8Array, width: number, height: number, channels: 1 | 3): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, channels === 1 ? 0 : 2, 0, 0, 0], 8);
  const rows = Buffer.alloc((width * channels + 1) * height);
  for (let y = 0; y < height; y++) {
    rows.set(
      pixels.subarray(y * width * channels, (y + 1) * width * channels),
      y * (width * channels + 1) + 1,
    );
  }
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A grid of images as [count, height, width, channels 1 or 3], if the shape reads as one. */
function asImages(shape: readonly number[]): [number, number, number, 1 | 3] | undefined {
  const last = shape[shape.length - 1]!;
  const color = last === 1 || last === 3;
  if (shape.length === 2) return [1, shape[0]!, shape[1]!, 1];
  if (shape.length === 3)
    return color ? [1, shape[0]!, shape[1]!, last] : [shape[0]!, shape[1]!, shape[2]!, 1];
  if (shape.length === 4) {
    return color ? [shape[0]!, shape[1]!, shape[2]!, last] : [shape[0]! * shape[1]!, shape[2]!, shape[3]!, 1];
  }
  return undefined;
}

const LARGEST = 256;
const SMALLEST = 64;
const MOST_IMAGES = 8;

function picture(
  values: ArrayLike<number>,
  shape: readonly number[],
  { min, max }: TensorSummary,
): Buffer | undefined {
  const images = asImages(shape);
  if (images === undefined || values.length === 0 || !Number.isFinite(max - min)) return undefined;
  const [count, height, width, channels] = images;
  // Nearest neighbour, down to LARGEST or up by a whole factor to SMALLEST.
  const side = Math.max(height, width);
  const scale = side > LARGEST ? LARGEST / side : Math.max(1, Math.floor(SMALLEST / side));
  const [h, w] = [Math.max(1, Math.floor(height * scale)), Math.max(1, Math.floor(width * scale))];
  const shown = Math.min(count, MOST_IMAGES);
  const full = shown * w + (shown - 1);
  const out = new Uint8Array(full * h * channels).fill(255);
  const range = max - min || 1;
  for (let n = 0; n < shown; n++) {
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const source = ((n * height + Math.floor(y / scale)) * width + Math.floor(x / scale)) * channels;
        const target = (y * full + n * (w + 1) + x) * channels;
        for (let c = 0; c < channels; c++)
          out[target + c] = Math.round(((values[source + c]! - min) / range) * 255) || 0;
      }
    }
  }
  return encodePng(out, full, h, channels);
}

const short = (v: number): string => (Number.isNaN(v) ? "NaN" : String(Number(v.toPrecision(4))));
const FEW = 64;

/** The MIME bundle of a tensor. */
export function tensorBundle(x: Tensor): Record<string, string> {
  const what = `${x instanceof tf.Variable ? "Variable" : "Tensor"} ${x.dtype} [${x.shape.join(", ")}]`;
  if (x.isDisposed) return { "text/plain": `${what}, disposed` };
  const head = `${what} on ${tf.getBackend()}`;
  let values: ArrayLike<number> | string[];
  try {
    values = x.dataSync() as ArrayLike<number> | string[];
  } catch {
    return { "text/plain": `${head} (read it with \`await x.data()\`)` };
  }
  const lines = [head];
  const bundle: Record<string, string> = {};
  if (x.dtype !== "string" && x.dtype !== "complex64" && x.size > 0) {
    const summary = summarize(values as ArrayLike<number>);
    const { min, mean, max, std, nans } = summary;
    lines[0] += `: min ${short(min)}, mean ${short(mean)}, max ${short(max)}, std ${short(std)}, NaN ${nans}`;
    const png = x.size > FEW ? picture(values as ArrayLike<number>, x.shape, summary) : undefined;
    if (png !== undefined) bundle["image/png"] = png.toString("base64");
  }
  if (x.size <= FEW) lines.push(x.toString().replace(/^Tensor\n/, ""));
  return { "text/plain": lines.join("\n"), ...bundle };
}

Object.defineProperty(tf.Tensor.prototype, Symbol.for("Jupyter.display"), {
  configurable: true,
  value(this: Tensor) {
    return tensorBundle(this);
  },
});

const HELD = Symbol.for("Jupyter.memory");

/** What a tensor holds, for the kernel's `memory()`: tensors that share data each count it. */
Object.defineProperty(tf.Tensor.prototype, HELD, {
  configurable: true,
  value(this: Tensor) {
    if (this.isDisposed) return { bytes: 0, tensors: 0 };
    return { bytes: this.size * tf.util.bytesPerElement(this.dtype), tensors: 1 };
  },
});

// tfjs keeps a list of all variables, which the imported `tf` reaches: they belong to whoever else holds them.
for (const shared of [tf.engine(), tf.env()]) {
  Object.defineProperty(shared, HELD, { configurable: true, value: () => ({ bytes: 0, tensors: 0 }) });
}
