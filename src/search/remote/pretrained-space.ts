/** The space that a worker makes unless it is told another: a shipped model on the world's codec. */
import { guided } from "../../diffusion/guidance.ts";
import { slidingWindow } from "../../model/history-policy.ts";
import { pretrained } from "../../model/model-file.ts";
import { worldCodec } from "../../video/pca-codec.ts";
import { type LatentSpace, searchSpace as latentSpace } from "../latent-space.ts";

/** Plain data: it travels to another process. */
export interface PretrainedSpaceOptions {
  /** Name of a shipped model; default: the library's. */
  readonly model?: string;
  readonly prompt: string;
  readonly chunks?: number;
  readonly steps: number;
  readonly shift?: number;
  readonly guidanceScale?: number;
  /** Chunks of a sliding window; default: the model's own policy. */
  readonly windowChunks?: number;
  readonly batchSize?: number;
}

export async function searchSpace(options: PretrainedSpaceOptions): Promise<LatentSpace> {
  const { model: name, guidanceScale = 1, windowChunks, ...plan } = options;
  const bare = await pretrained(name);
  const model = windowChunks === undefined ? bare : bare.withHistory(slidingWindow({ chunks: windowChunks }));
  return latentSpace(guided(model, { scale: guidanceScale }), { ...plan, codec: worldCodec() });
}
