/**
 * The recipe of the codec that ships in data/codec: a PCA of 64,000 patches from all scenes of the world.
 * `node dist/src/video/recipes/world-codec.js` writes the file again.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../tensor/package-root.ts";
import { fitPcaCodec, type PcaCodecWeights, savePcaCodec } from "../pca-codec.ts";
import { scenes } from "../world/grammar.ts";
import { world } from "../world/world.ts";

/** Seconds on one core; the same weights every time. */
export function fitWorldCodec(): PcaCodecWeights {
  const clips = world({ scenes, numClips: 1000, numFrames: 16, seed: 123 });
  return fitPcaCodec(clips, { patch: 8, channels: 64, framesPerClip: 4 });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  savePcaCodec(join(packageRoot, "data/codec/world-pca-64.json"), fitWorldCodec());
}
