import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { rng } from "../../src/tensor/rng.ts";

const script = fileURLToPath(new URL("tiny-training.mjs", import.meta.url));
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "zoetrope-resume-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Step {
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
}

type KillWhen = (lines: readonly Step[], sinceFirstLine: number) => boolean;

/** Runs the training until it ends, or until `killWhen` says so (asked every millisecond). */
function run(
  target: string,
  steps: number,
  killWhen: KillWhen = () => false,
): Promise<{ lines: Step[]; killed: boolean }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, target, String(steps)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const lines: Step[] = [];
    let text = "";
    let errors = "";
    let first = 0;
    let killed = false;
    child.stderr.on("data", (data) => {
      errors += data;
    });
    child.stdout.on("data", (data) => {
      text += data;
      const parts = text.split("\n");
      text = parts.pop()!;
      first ||= performance.now();
      lines.push(...parts.map((line) => JSON.parse(line) as Step));
    });
    const timer = setInterval(() => {
      if (killWhen(lines, first ? performance.now() - first : 0)) {
        killed = child.kill("SIGKILL") || killed;
      }
    }, 1);
    child.on("error", reject);
    child.on("exit", (code) => {
      clearInterval(timer);
      if (code === 0 || killed) resolve({ lines, killed });
      else reject(new Error(`training ended with ${code}: ${errors}`));
    });
  });
}

describe("a killed training resumes to the curve of one that was not", () => {
  test("at random points, and while a checkpoint is being written", { timeout: 240_000 }, async () => {
    const steps = 8;
    const whole = await run(join(folder, "whole"), steps);
    expect(whole.lines.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));

    const target = join(folder, "killed");
    const isWriting = () =>
      existsSync(target) && readdirSync(target).some((name) => name.startsWith(".writing-"));
    const random = rng(11);
    const kills: KillWhen[] = [
      (lines, since) => lines.length >= 2 && since > 30 * random.at("first").float(),
      (lines) => lines.length >= 2 && isWriting(),
      (lines, since) => lines.length >= 1 && since > 60 * random.at("third").float(),
    ];
    const seen = new Map<number, Step>();
    for (const kill of kills) {
      const { lines } = await run(target, steps, kill);
      for (const line of lines) {
        if (seen.has(line.step)) expect(line).toEqual(seen.get(line.step));
        seen.set(line.step, line);
      }
    }
    for (const line of (await run(target, steps)).lines) seen.set(line.step, line);
    // A step whose line was lost with the process is not seen again; every seen one must agree to the bit.
    expect(seen.size).toBeGreaterThanOrEqual(steps - kills.length);
    for (const [step, line] of seen) expect(line).toEqual(whole.lines[step - 1]);
    expect(readdirSync(target).filter((name) => name.startsWith(".writing-"))).toEqual([]);
  });

  test("a half-written checkpoint of a killed process is ignored and cleared", {
    timeout: 60_000,
  }, async () => {
    await mkdir(join(folder, ".writing-step-000009"), { recursive: true });
    await writeFile(join(folder, ".writing-step-000009", "model.safetensors"), "half");
    const { lines } = await run(folder, 2);
    expect(lines.map(({ step }) => step)).toEqual([1, 2]);
    expect(readdirSync(folder).sort()).toEqual(["best.json", "step-000001", "step-000002"]);
  });
});
