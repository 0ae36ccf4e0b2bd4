/** Teacher forcing: the past is the data. The baseline, and the warm-up of every other forcing. */
import type { Forcing } from "./forcing.ts";

export function teacherForcing(): Forcing {
  return Object.freeze({
    name: "teacher-forcing",
    makePast: ({ x0 }) => ({ history: x0.clone() }),
  } satisfies Forcing);
}
