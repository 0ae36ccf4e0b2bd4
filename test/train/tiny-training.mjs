// A short training of a tiny model, one line of JSON a step. Killed and restarted by the resume test.
import { fileURLToPath } from "node:url";

const built = (path) => import(fileURLToPath(new URL(`../../dist/src/${path}.js`, import.meta.url)));
const [folder, steps] = process.argv.slice(2);
const { setThreads, useDevice } = await built("tensor/device");
const { causalWan } = await built("model/causal-wan");
const { presets } = await built("model/config");
const { worldText } = await built("model/text");
const { world } = await built("video/world/world");
const { worldCodec } = await built("video/pca-codec");
const { train } = await built("train/trainer");
const { resamplingForcing } = await built("train/forcing/resampling-forcing");

await useDevice("auto");
// Two threads on a busy machine wait for each other.
setThreads(1);
const textEncoder = worldText();
const config = {
  ...presets.mini,
  name: "tiny",
  dim: 32,
  layers: 1,
  heads: 2,
  ffn: 64,
  textDim: textEncoder.dim,
};
const model = causalWan(config, { textEncoder, seed: 3 });
const training = train(model, world({ numClips: 64, numFrames: 6 }), {
  forcing: resamplingForcing(),
  codec: worldCodec(),
  steps: Number(steps),
  batchSize: 2,
  logEvery: 1,
  checkpoint: { folder, every: 1, keep: 2 },
});
for await (const { step, loss, gradNorm } of training) console.log(JSON.stringify({ step, loss, gradNorm }));
