/**
 * WebM (VP8) by libav compiled to WebAssembly: no system encoder needed, and the same bytes every time (one thread,
 * the muxer's bit-exact flag). One instance is kept; encodes run one after the other on it.
 */
import type LibAV from "@libav.js/variant-webm-vp9";
import type { Reel } from "./reel.ts";

type Instance = LibAV.LibAV;

let instance: Promise<Instance> | undefined;
let queue: Promise<unknown> = Promise.resolve();

/** AV_LOG_ERROR: the encoder would greet on stderr. */
const errorsOnly = 16;

async function load(): Promise<Instance> {
  const module = (await import("@libav.js/variant-webm-vp9")) as unknown as { default: LibAV.LibAVWrapper };
  const lib = await module.default.LibAV({ noworker: true, nothreads: true });
  await lib.av_log_set_level(errorsOnly);
  return lib;
}

/** AVFMT_FLAG_BITEXACT: no random segment id, no writer version. */
const bitExact = 0x0400;
const yuv420p = 0;

/** BT.601 limited range with chroma averaged over 2 x 2 pixels; even width and height. */
function toYuv(rgb: Uint8Array, width: number, height: number): Uint8Array {
  const luma = width * height;
  const [w, h] = [width >> 1, height >> 1];
  const out = new Uint8Array(luma + 2 * w * h);
  for (let p = 0; p < luma; p++) {
    out[p] = 16.5 + 0.25679 * rgb[p * 3]! + 0.50413 * rgb[p * 3 + 1]! + 0.09791 * rgb[p * 3 + 2]!;
  }
  for (let i = 0; i < h; i++) {
    for (let j = 0; j < w; j++) {
      const a = (2 * i * width + 2 * j) * 3;
      const b = a + width * 3;
      const mean = (c: number) => (rgb[a + c]! + rgb[a + 3 + c]! + rgb[b + c]! + rgb[b + 3 + c]!) / 4;
      const [red, green, blue] = [mean(0), mean(1), mean(2)];
      out[luma + i * w + j] = 128.5 - 0.14822 * red - 0.29099 * green + 0.43922 * blue;
      out[luma + w * h + i * w + j] = 128.5 + 0.43922 * red - 0.36779 * green - 0.07143 * blue;
    }
  }
  return out;
}

/** Odd sides lose their last pixel: chroma is stored for pairs. */
function even({ width, height, frames, ...rest }: Reel): Reel {
  if (width % 2 === 0 && height % 2 === 0) return { width, height, frames, ...rest };
  const [w, h] = [width & ~1, height & ~1];
  const cut = frames.map((frame) => {
    const out = new Uint8Array(w * h * 3);
    for (let i = 0; i < h; i++) out.set(frame.subarray(i * width * 3, (i * width + w) * 3), i * w * 3);
    return out;
  });
  return { width: w, height: h, frames: cut, ...rest };
}

export interface WebmOptions {
  /** Aim, in bits per second; default 4 million. */
  readonly bitRate?: number;
  /** Coarsest quantiser allowed to reach it, 4 to 63; default 24. */
  readonly coarsest?: number;
}

async function encode(lib: Instance, reel: Reel, options: WebmOptions): Promise<Uint8Array> {
  const { bitRate = 4_000_000, coarsest = 24 } = options;
  const { width, height, fps, frames } = reel;
  if (width < 2 || height < 2 || frames.length === 0) {
    throw new RangeError(
      `Cannot write a WebM of ${frames.length} frames of ${height}x${width}: it needs at least one frame of 2x2 pixels.`,
    );
  }
  // Time in milliseconds: any frame rate fits, and players agree on it.
  const [, context, frame, packet] = await lib.ff_init_encoder("libvpx", {
    ctx: { width, height, pix_fmt: yuv420p, bit_rate: bitRate, gop_size: 64, qmin: 4, qmax: coarsest },
    time_base: [1, 1000],
    options: { deadline: "realtime", "cpu-used": "6", "auto-alt-ref": "0", threads: "1" },
  });
  const name = "out.webm";
  const [output, , io] = await lib.ff_init_muxer({ filename: name, open: true, format_name: "webm" }, [
    [context, 1, 1000],
  ]);
  try {
    await lib.AVFormatContext_flags_s(output, (await lib.AVFormatContext_flags(output)) | bitExact);
    await lib.avformat_write_header(output, 0);
    const pictures = frames.map((rgb, f) => ({
      data: toYuv(rgb, width, height),
      layout: [
        { offset: 0, stride: width },
        { offset: width * height, stride: width >> 1 },
        { offset: width * height * 1.25, stride: width >> 1 },
      ],
      format: yuv420p,
      width,
      height,
      pts: Math.round((f * 1000) / fps),
      ptshi: 0,
      time_base_num: 1,
      time_base_den: 1000,
    }));
    const packets = await lib.ff_encode_multi(context, frame, packet, pictures, true);
    // The last packet states how long it lasts, else a loop skips the last frame.
    for (const p of packets) p.duration = Math.round(1000 / fps);
    await lib.ff_write_multi(output, packet, packets);
    await lib.av_write_trailer(output);
  } finally {
    await lib.ff_free_muxer(output, io);
    await lib.ff_free_encoder(context, frame, packet);
  }
  const bytes = await lib.readFile(name);
  await lib.unlink(name);
  return bytes;
}

/** WebM bytes of a reel. Odd sides lose their last pixel. */
export function writeWebm(reel: Reel, options: WebmOptions = {}): Promise<Uint8Array> {
  instance ??= load();
  const mine = instance;
  const result = queue.then(async () => encode(await mine, even(reel), options));
  queue = result.catch(() => undefined);
  return result;
}
