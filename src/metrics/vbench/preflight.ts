/**
 * Is a folder of generated videos what VBench's standard mode expects? Names are `<prompt>-<i>.mp4`; a file that is not
 * named so is silently skipped by the official scripts. Asked before any hour of computing.
 */
import type { VbenchPrompt } from "./result-files.ts";

export interface Preflight {
  readonly expected: number;
  readonly found: number;
  readonly problems: readonly string[];
}

/** Samples a prompt needs: 5, and 25 where it serves temporal flickering (of which 5 static ones are kept). */
export function samplesFor(prompt: VbenchPrompt): number {
  return prompt.dimension.includes("temporal_flickering") ? 25 : 5;
}

const some = (names: readonly string[]): string =>
  `${names.slice(0, 3).join(", ")}${names.length > 3 ? ", ..." : ""}`;

/** `files`: names in the flat folder. */
export function preflight(files: readonly string[], prompts: readonly VbenchPrompt[]): Preflight {
  const problems: string[] = [];
  const wanted = new Map<string, number>();
  for (const prompt of prompts) {
    wanted.set(prompt.prompt_en, Math.max(wanted.get(prompt.prompt_en) ?? 0, samplesFor(prompt)));
  }
  const present = new Set(files);
  let [expected, found] = [0, 0];
  const missing: string[] = [];
  for (const [prompt, samples] of wanted) {
    expected += samples;
    for (let i = 0; i < samples; i++) {
      if (present.has(`${prompt}-${i}.mp4`)) found++;
      else missing.push(`${prompt}-${i}.mp4`);
    }
  }
  if (missing.length > 0)
    problems.push(`${missing.length} of ${expected} videos are missing: ${some(missing)}.`);
  const strange = files.filter((file) => {
    const match = /^(.*)-(\d+)\.mp4$/s.exec(file);
    return !match || !wanted.has(match[1]!) || Number(match[2]) >= wanted.get(match[1]!)!;
  });
  if (strange.length > 0) {
    problems.push(
      `${strange.length} files are not named <prompt>-<i>.mp4 for a prompt of the suite and would be skipped: ${some(strange)}.`,
    );
  }
  const byFolded = new Map<string, string[]>();
  for (const prompt of wanted.keys()) {
    const folded = prompt.toLowerCase();
    byFolded.set(folded, [...(byFolded.get(folded) ?? []), prompt]);
  }
  for (const group of byFolded.values()) {
    if (group.length > 1) {
      problems.push(
        `The prompts ${group.map((p) => `"${p}"`).join(" and ")} collide on file systems that ignore case.`,
      );
    }
  }
  return { expected, found, problems };
}
