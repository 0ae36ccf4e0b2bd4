/** All charts under one name: `import { plot } from "zoetrope"; plot.loss(run)`. Rows in, Vega-Lite out. */
export { type AblationOptions, ablation } from "./ablation.ts";
export { type Chart, chart, isChart } from "./chart.ts";
export { type ClipGridOptions, clipGrid, type ScoreAndClipsOptions, scoreAndClips } from "./clip-grid.ts";
export { type DimensionOptions, dimensionDots, type GainOptions, gainPerDimension } from "./dimensions.ts";
export { type DriftOptions, driftOverSegments } from "./drift.ts";
export { type PairedForestOptions, pairedForest } from "./forest.ts";
export {
  type PopulationLineageOptions,
  populationLineage,
  type SearchTreeOptions,
  searchTree,
} from "./lineage.ts";
export { type LossOptions, loss } from "./loss.ts";
export { type NfeVersusScoreOptions, nfeVersusScore } from "./nfe-versus-score.ts";
export { type PanelOptions, strategyPanels, verifierPanels } from "./panels.ts";
export { type ParetoOptions, paretoFront } from "./pareto.ts";
export { type RoutingHeatmapOptions, routingHeatmap } from "./routing-heatmap.ts";
export { type LineageEvent, populationRows, treeRows } from "./search-events.ts";
/** The look of all charts, for specs of your own: `config: plot.theme`. */
export { theme } from "./theme.ts";
