import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { causalWan } from "../../src/model/causal-wan.ts";
import { presets } from "../../src/model/config.ts";
import { wordEncoder } from "../../src/model/text.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { teacherForcing } from "../../src/train/forcing/teacher-forcing.ts";
import { type TrainRow, train } from "../../src/train/trainer.ts";
import { encodeVideo } from "../../src/video/encode.ts";
import { folderDataset } from "../../src/video/folder.ts";
import { fitPcaCodec, pcaCodec } from "../../src/video/pca-codec.ts";
import { worldClip } from "../../src/video/world/world.ts";

const fresh = () => mkdtempSync(join(tmpdir(), "folder-"));
const save = async (path: string, prompt: string, format: "gif" | "webp", size = 32, numFrames = 8) =>
  writeFileSync(
    path,
    await encodeVideo(worldClip(prompt, { numFrames, size, seed: 1 }).video, format, { scale: 1 }),
  );

describe("a folder of videos", () => {
  it("becomes a dataset of one size and length, with captions from either sidecar, and says what it did", async () => {
    const folder = fresh();
    await save(join(folder, "a10.gif"), "a red ball glides diagonally", "gif", 64);
    await save(join(folder, "a2.webp"), "a blue ball glides diagonally", "webp");
    await save(join(folder, "b.gif"), "a blue ball glides diagonally", "gif", 32, 4);
    mkdirSync(join(folder, "shots"));
    for (let f = 0; f < 9; f++) {
      const grey = Buffer.alloc(40 * 30 * 3, 10 * f);
      await sharp(grey, { raw: { width: 40, height: 30, channels: 3 } })
        .png()
        .toFile(join(folder, `shots/${f}.png`));
    }
    writeFileSync(
      join(folder, "captions.jsonl"),
      '{"file": "a10.gif", "caption": "red"}\n\n{"file": "b.gif", "caption": "short"}\n{"file": "shots", "caption": "grey"}\n',
    );
    writeFileSync(join(folder, "a2.txt"), "blue\n");
    const clips = await folderDataset(folder, { numFrames: 8 });
    expect([0, 1, 2].map((i) => clips.clip(i).prompt)).toEqual(["blue", "red", "grey"]);
    expect(clips.length).toBe(3);
    const { videos, prompts } = clips.batch([2, 0]);
    expect(videos.shape).toEqual([2, 8, 32, 32, 3]);
    expect(prompts).toEqual(["grey", "blue"]);
    expect(clips.notes).toEqual([
      "Resized to 32x32, keeping the middle: found 2 of 32x32, 1 of 64x64, 1 of 40x30.",
      "Left out, shorter than 8 frames: b.gif (4).",
    ]);
    expect(() => clips.clip(3)).toThrow(/it has 3 clips/);
  });

  it("trains a model a few steps with its own codec and its own words", async () => {
    await useDevice("auto");
    const folder = fresh();
    const lines: string[] = [];
    for (const [i, prompt] of ["a red ball glides diagonally", "a blue square glides sideways"].entries()) {
      await save(join(folder, `${i}.webp`), prompt, "webp", 64);
      lines.push(JSON.stringify({ file: `${i}.webp`, caption: `my ${prompt}` }));
    }
    writeFileSync(join(folder, "captions.jsonl"), lines.join("\n"));
    const clips = await folderDataset(folder, { numFrames: 8 });
    const codec = pcaCodec(fitPcaCodec(clips, { channels: 16 }));
    const textEncoder = wordEncoder("a my red blue ball square glides sideways diagonally".split(" "));
    const config = {
      ...presets.mini,
      name: "tiny",
      dim: 32,
      layers: 1,
      heads: 2,
      ffn: 64,
      chunkShape: [2, 4, 4, codec.channels] as const,
      textDim: textEncoder.dim,
    };
    const model = causalWan(config, { textEncoder, seed: 1 });
    const rows: TrainRow[] = [];
    for await (const row of train(model, clips, {
      forcing: teacherForcing(),
      codec,
      steps: 3,
      batchSize: 2,
      logEvery: 1,
    })) {
      rows.push(row);
    }
    expect(rows.map((row) => row.step)).toEqual([1, 2, 3]);
    for (const { loss } of rows) expect(loss).toBeGreaterThan(0);
  });

  it("refuses empty folders, missing captions and bad sidecars with a remedy", async () => {
    const folder = fresh();
    await expect(folderDataset(folder)).rejects.toThrow(/holds no videos\. Put gif, webp/);
    await expect(folderDataset(join(folder, "none"))).rejects.toThrow(/does not exist/);
    await save(join(folder, "a.gif"), "a red ball glides diagonally", "gif");
    await expect(folderDataset(folder, { numFrames: 8 })).rejects.toThrow(
      /1 of 1 videos have no caption \(a\.gif\)\. Add lines to captions\.jsonl/,
    );
    expect((await folderDataset(folder, { numFrames: 8, defaultCaption: "?" })).clip(0).prompt).toBe("?");
    await expect(folderDataset(folder, { defaultCaption: "?" })).rejects.toThrow(
      /none of its 1 videos has 16 frames/,
    );
    writeFileSync(join(folder, "captions.jsonl"), "not json\n");
    await expect(folderDataset(folder)).rejects.toThrow(/line 1: it is not JSON/);
    writeFileSync(join(folder, "captions.jsonl"), '{"file": "a.gif"}\n');
    await expect(folderDataset(folder)).rejects.toThrow(/needs the strings "file" and "caption"/);
  });
});
