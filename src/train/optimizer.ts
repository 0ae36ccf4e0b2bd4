/** How gradients move weights: AdamW for all, or Muon for the block matrices and AdamW for the rest; with an EMA. */
import { isBlockMatrix } from "../model/weights.ts";
import { adamwSlots, adamw as adamwStep } from "../tensor/ops/adamw.ts";
import { muonGroups, muonStep } from "../tensor/ops/muon.ts";
import { notNegative, positive, requireNumbers } from "../tensor/ranges.ts";
import { type Tensor, tf, type Variable } from "../tensor/tf.ts";

export interface OptimizerStep {
  /** From 1. */
  readonly step: number;
  /** Multiplies every learning rate. */
  readonly rate: number;
  /** Decay of the averaged weights. */
  readonly emaDecay: number;
}

/** An optimiser bound to weights. */
export interface BoundOptimizer {
  /** Averaged weights by name. */
  readonly averaged: ReadonlyMap<string, Variable>;
  /** Everything but the weights that the next step depends on, by name. */
  readonly state: ReadonlyMap<string, Variable>;
  /** Moves the weights. @returns the norm of all gradients, before clipping */
  step(grads: ReadonlyMap<string, Tensor>, step: OptimizerStep): Promise<number>;
  /** Frees the state, not the averaged weights. */
  dispose(): void;
}

export interface Optimizer {
  readonly name: string;
  bind(weights: ReadonlyMap<string, Variable>): BoundOptimizer;
}

export interface AdamWOptions {
  readonly learningRate?: number;
  readonly betas?: readonly [number, number];
  readonly weightDecay?: number;
  /** Largest global gradient norm of AdamW's weights. */
  readonly maxGradNorm?: number;
}

export interface MuonOptions extends AdamWOptions {
  /** Rate of the block matrices. */
  readonly matrixRate?: number;
  readonly momentum?: number;
}

/** AdamW for every weight. */
export function adamwOptimizer(options: AdamWOptions = {}): Optimizer {
  return optimizer(options, undefined);
}

/** Muon for the matrices inside the blocks, AdamW for the rest; defaults are the mini-scale recipe's. */
export function muonOptimizer({
  matrixRate = 0.02,
  momentum = 0.95,
  ...options
}: MuonOptions = {}): Optimizer {
  return optimizer(options, { matrixRate, momentum });
}

function optimizer(
  { learningRate = 1.5e-3, betas = [0.9, 0.95], weightDecay = 0.01, maxGradNorm = 1 }: AdamWOptions,
  muon: { readonly matrixRate: number; readonly momentum: number } | undefined,
): Optimizer {
  requireNumbers("optimise", { learningRate, ...(muon && { matrixRate: muon.matrixRate }) }, positive);
  requireNumbers("optimise", { weightDecay }, notNegative);
  requireNumbers("optimise", { maxGradNorm }, { ...positive, endless: true }, "Infinity clips nothing.");
  const [first, second] = betas;
  const memories = { "betas[0]": first, "betas[1]": second, ...(muon && { momentum: muon.momentum }) };
  requireNumbers("optimise", memories, { least: 0, below: 1 });
  const adamName = `adamw(lr ${learningRate}, betas ${betas.join("/")}, wd ${weightDecay}, clip ${maxGradNorm})`;
  return Object.freeze({
    name: muon ? `muon(lr ${muon.matrixRate}, momentum ${muon.momentum}) + ${adamName}` : adamName,
    bind(weights: ReadonlyMap<string, Variable>): BoundOptimizer {
      const isMuon = (name: string) => muon !== undefined && isBlockMatrix(name);
      const adamNames = [...weights.keys()].filter((name) => !isMuon(name));
      const slots = adamwSlots(
        adamNames.map((name) => weights.get(name)!),
        { ema: true },
      );
      const matrixNames = [...weights.keys()].filter(isMuon);
      const matrices = matrixNames.map((name) => weights.get(name)!);
      const nameOf = new Map(matrices.map((variable, i) => [variable, matrixNames[i]!]));
      const groups = muonGroups(matrices, { ema: true });
      const averaged = new Map<string, Variable>();
      for (const [i, name] of adamNames.entries()) averaged.set(name, slots[i]!.ema!);
      for (const { parameters, averages } of groups) {
        for (const [i, parameter] of parameters.entries()) averaged.set(nameOf.get(parameter)!, averages[i]!);
      }
      const state = new Map<string, Variable>();
      for (const [i, name] of adamNames.entries())
        state.set(`m.${name}`, slots[i]!.m).set(`v.${name}`, slots[i]!.v);
      for (const group of groups) state.set(`momentum.${group.momentum.shape.join("x")}`, group.momentum);

      return Object.freeze({
        averaged,
        state,
        async step(grads: ReadonlyMap<string, Tensor>, { step, rate, emaDecay }: OptimizerStep) {
          const squares = muon
            ? groups.map((group) =>
                muonStep(
                  group,
                  group.parameters.map((p) => grads.get(nameOf.get(p)!)!),
                  {
                    learningRate: muon.matrixRate * rate,
                    momentum: muon.momentum,
                    weightDecay,
                    emaDecay,
                  },
                ),
              )
            : [];
          const norm = adamwStep(
            slots,
            adamNames.map((name) => grads.get(name)!),
            {
              learningRate: learningRate * rate,
              step,
              beta1: betas[0],
              beta2: betas[1],
              weightDecay,
              maxGradNorm,
              emaDecay,
            },
          );
          const total = tf.tidy(() => tf.sqrt(tf.addN([norm.square(), ...squares])));
          const [value] = await total.data();
          tf.dispose([total, norm, ...squares]);
          return value!;
        },
        dispose() {
          for (const variable of state.values()) variable.dispose();
        },
      });
    },
  });
}
