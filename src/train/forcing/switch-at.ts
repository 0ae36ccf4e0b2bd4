/** One forcing until a step, then another: the warm-up of Resampling Forcing (2512.15702, section 3.6). */
import type { Forcing, ForcingInput } from "./forcing.ts";

/** @example switchAt(200, teacherForcing(), resamplingForcing({ shift: 0.6 })) */
export function switchAt(step: number, before: Forcing, after: Forcing): Forcing {
  if (!(Number.isInteger(step) && step >= 0)) {
    throw new RangeError(`Cannot switch forcings at step ${step}: it must be a non-negative integer.`);
  }
  const active = (input: ForcingInput) => (input.step < step ? before : after);
  return Object.freeze({
    name: `${before.name} until ${step}, then ${after.name}`,
    makePast: (input) => active(input).makePast(input),
    ...((before.observe || after.observe) && {
      observe: (input, predicted) => active(input).observe?.(input, predicted),
    }),
    state: () =>
      new Map([
        ...[...(before.state?.() ?? [])].map(([name, tensor]) => [`before.${name}`, tensor] as const),
        ...[...(after.state?.() ?? [])].map(([name, tensor]) => [`after.${name}`, tensor] as const),
      ]),
    restore(state) {
      const part = (prefix: string) =>
        new Map(
          [...state].flatMap(([name, tensor]) =>
            name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [],
          ),
        );
      if (before.restore && part("before.").size > 0) before.restore(part("before."));
      if (after.restore && part("after.").size > 0) after.restore(part("after."));
    },
  } satisfies Forcing);
}
