/** Means since the last row, throughput and time left. */
import type { TrainRow } from "./trainer.ts";

export interface StepReport {
  readonly loss: number;
  readonly gradNorm: number;
  readonly rate: number;
  readonly pastSeconds: number;
}

export function progressMeter({
  steps,
  tokensPerStep,
  objective,
  from,
}: {
  readonly steps: number;
  readonly tokensPerStep: number;
  readonly objective: string;
  readonly from: number;
}): { add(report: StepReport): void; row(step: number): TrainRow } {
  const begin = performance.now();
  let since = begin;
  let reports: StepReport[] = [];
  return {
    add: (report) => {
      reports.push(report);
    },
    row(step) {
      const now = performance.now();
      const count = reports.length;
      const mean = (key: keyof StepReport) => reports.reduce((sum, report) => sum + report[key], 0) / count;
      const secondsPerStep = (now - since) / 1000 / count;
      const row: TrainRow = {
        step,
        steps,
        loss: mean("loss"),
        gradNorm: mean("gradNorm"),
        rate: reports.at(-1)!.rate,
        secondsPerStep,
        tokensPerSecond: tokensPerStep / secondsPerStep,
        pastShare: mean("pastSeconds") / secondsPerStep,
        etaSeconds: ((now - begin) / 1000 / (step - from)) * (steps - step),
        objective,
      };
      since = now;
      reports = [];
      return row;
    },
  };
}
