/** Ways to spoil a true clip, each aimed at some dimensions of the world score. */
import { rng } from "../../src/tensor/rng.ts";
import { type Video, video } from "../../src/video/video.ts";
import { render } from "../../src/video/world/render.ts";
import type { WorldExample } from "../../src/video/world/world.ts";

export type Corruption = (example: WorldExample, index: number) => Video;

const clamp = (v: number) => Math.min(1, Math.max(-1, v));
const mapPixels = (v: Video, change: (value: number, at: number, frame: number) => number): Video => {
  const size = v.height * v.width * 3;
  return video({ ...v, data: v.data.map((value, at) => clamp(change(value, at, Math.floor(at / size)))) });
};
const reorder = (v: Video, order: (frame: number) => number): Video => {
  const size = v.height * v.width * 3;
  const data = new Float32Array(v.data.length);
  for (let f = 0; f < v.numFrames; f++) {
    const from = order(f) * size;
    data.set(v.data.subarray(from, from + size), f * size);
  }
  return video({ ...v, data });
};

export const noise: Corruption = ({ video: v }, i) => {
  const normal = rng(i).at("noise").normal(v.data.length);
  return mapPixels(v, (value, at) => value + 0.2 * normal[at]!);
};

/** Two passes of a 3 x 3 mean. */
export const blur: Corruption = ({ video: v }) => {
  let out = v;
  for (let pass = 0; pass < 2; pass++) {
    const source = out.data;
    out = mapPixels(out, (_, at) => {
      const row = v.width * 3;
      const [y, x] = [Math.floor(at / row) % v.height, Math.floor((at % row) / 3)];
      let sum = 0;
      let n = 0;
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          if (y + dy < 0 || y + dy >= v.height || x + dx < 0 || x + dx >= v.width) continue;
          sum += source[at + dy * row + dx * 3]!;
          n++;
        }
      }
      return sum / n;
    });
  }
  return out;
};

export const shuffle: Corruption = ({ video: v }, i) => {
  const order = rng(i).at("shuffle").permutation(v.numFrames);
  return reorder(v, (f) => order[f]!);
};

export const frozen: Corruption = ({ video: v }) => reorder(v, () => 0);

/** Red becomes green, green blue, blue red. */
export const wrongColour: Corruption = ({ video: v }) => {
  const source = v.data;
  return mapPixels(v, (_, at) => source[at - (at % 3) + ((at + 2) % 3)]!);
};

export const missingObject: Corruption = ({ video: v, state }) =>
  render({ ...state, objects: [] }, v.numFrames, { prompt: v.prompt ?? "" });

/** The whole picture grows slowly brighter and redder. */
export const drift: Corruption = ({ video: v }) =>
  mapPixels(v, (value, at, f) => value + (at % 3 === 0 ? 0.5 : 0.3) * (f / (v.numFrames - 1)));

export const flicker: Corruption = ({ video: v }) =>
  mapPixels(v, (value, _, f) => value + (f % 2 === 0 ? 0.16 : -0.16));

/** The water rises to the end of the clip's first half and then runs out. */
export const levelDrop: Corruption = ({ video: v, state }) => {
  const glass = state.glass!;
  const half = v.numFrames / 2;
  const level = glass.level.map(
    (_, f) => glass.level[f < half ? 2 * f : Math.max(0, 2 * (v.numFrames - 1 - f))]!,
  );
  return render({ ...state, glass: { ...glass, level } }, v.numFrames, { prompt: v.prompt ?? "" });
};
