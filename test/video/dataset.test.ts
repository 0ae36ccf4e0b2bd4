import { describe, expect, test } from "vitest";
import { tf } from "../../src/tensor/tf.ts";
import { checkIndex, stackVideos, unstackVideos } from "../../src/video/dataset.ts";
import { worldClip } from "../../src/video/world/world.ts";

const prompt = "a red ball glides sideways";
const clipOf = (numFrames: number, size = 32) => worldClip(prompt, { numFrames, size }).video;

describe("clips as one tensor", () => {
  test("come back as they were", async () => {
    const videos = [clipOf(4), worldClip("a blue ball stays still", { numFrames: 4, seed: 2 }).video];
    const stacked = stackVideos(videos);
    expect(stacked.shape).toEqual([2, 4, 32, 32, 3]);
    const back = await unstackVideos(stacked, { prompts: videos.map((video) => video.prompt!) });
    expect(back.map(({ data }) => [...data])).toEqual(videos.map(({ data }) => [...data]));
    expect(back.map((video) => video.prompt)).toEqual(videos.map((video) => video.prompt));
    stacked.dispose();
  });

  test("clips of mixed size or length, and none at all, are refused with what differs", async () => {
    expect(() => stackVideos([clipOf(4), clipOf(4), clipOf(6)])).toThrow(
      "Cannot stack videos of different shapes: video 0 has 4 frames of 32x32, video 2 has 6 of 32x32. Cut or resize them first.",
    );
    expect(() => stackVideos([clipOf(4), clipOf(4, 64)])).toThrow(
      "video 1 has 4 of 64x64. Cut or resize them first.",
    );
    expect(() => stackVideos([])).toThrow("Cannot stack videos: got none. Give at least one.");
    await expect(unstackVideos(tf.zeros([1, 4, 4, 64]))).rejects.toThrow(
      "got [1,4,4,64]. Decode latents first.",
    );
  });

  test("indices outside the dataset are named", () => {
    expect(() => checkIndex(3, 3, "mine")).toThrow(
      "Cannot give clip 3 of mine: it has 3 clips. Ask for 0 to 2.",
    );
  });
});
