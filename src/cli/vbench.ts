/** `zoetrope vbench score FILE`: totals and lint of every row of an official result file or a leaderboard CSV, as JSON. */
import { scoreVbenchFile } from "../metrics/vbench/leaderboard.ts";

export async function scoreFile(path: string): Promise<void> {
  process.stdout.write(`${JSON.stringify(await scoreVbenchFile(path), null, 2)}\n`);
}
