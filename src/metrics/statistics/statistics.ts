/** All of it under one name: `import { statistics } from "zoetrope"`. */
export {
  type BootstrapOptions,
  bootstrap,
  type Cell,
  differences,
  hierarchicalBootstrap,
  type Interval,
  pairedBootstrap,
} from "./bootstrap.ts";
export { pearson, spearman } from "./correlation.ts";
export { normalCdf, normalQuantile, studentCdf, studentQuantile } from "./distributions.ts";
export { type BudgetScore, type EqualScore, equalScoreRatio, nfeToReach } from "./equal-score.ts";
export { linearFit, type PowerLaw, powerLawFit, type SaturatingLaw, saturatingFit } from "./fits.ts";
export {
  expectedChoice,
  expectedMaximum,
  interquartileMean,
  mean,
  median,
  quantile,
  variance,
} from "./summary.ts";
export {
  type Alternative,
  averageRanks,
  equivalenceTest,
  holm,
  permutationTest,
  type TestResult,
  wilcoxonTest,
} from "./tests.ts";
