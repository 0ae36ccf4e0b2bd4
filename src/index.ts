/**
 * The public API: what a cell imports from "zoetrope". Re-exports only, one section a folder, in the order of the
 * stack (tensors below, the lab on top).
 */

export { type Account, uncharged } from "./diffusion/account.ts";
// diffusion
export type { ChunkShape, Condition, Denoiser, History } from "./diffusion/denoiser.ts";
// diffusion: sampling
export { guided } from "./diffusion/guidance.ts";
export { type Cost, type Meter, meter, metered, meteredNetwork, spent } from "./diffusion/nfe.ts";
export { addNoise, dataFrom, noiseFrom, shiftTime, velocityTarget } from "./diffusion/path.ts";
export {
  euler,
  heun,
  type Solver,
  type SolverMemory,
  type SolverStep,
  sdeDpmSolver,
  solverCalls,
} from "./diffusion/solvers.ts";
export {
  logitNormal,
  mixture,
  type Schedule,
  shiftedSchedule,
  type TimestepSampler,
  uniformTime,
} from "./diffusion/timesteps.ts";
// lab
export { type Claim, type ClaimOptions, claim, type ListedClaim, listClaims } from "./lab/claim.ts";
export { childProcesses, type Executor, inProcess } from "./lab/executor.ts";
export { dataFrame, exportParquet, query, queryRows } from "./lab/query.ts";
export { notebookReport } from "./lab/report/notebook-report.ts";
export { type Report, type ReportOptions, report, reportFromTemplate } from "./lab/report/report.ts";
export { type Verification, verifyReport } from "./lab/report/verify-report.ts";
export { attachRun, type OpenRunOptions, openRun, type Run } from "./lab/run.ts";
export {
  type Contender,
  type ReportedMetric,
  type ScalingResult,
  type ScalingRow,
  type ScalingStudyOptions,
  scalingStudy,
} from "./lab/scaling-study.ts";
export {
  type Comparison,
  collectGarbage,
  compareRuns,
  damagedRuns,
  deleteRun,
  listRuns,
  missingBlobs,
} from "./lab/store.ts";
export { type Sweep, type SweepOptions, type SweepState, sweep } from "./lab/sweep.ts";
export { rowsToCsv, type Table, type TableOptions, table } from "./lab/table.ts";
// metrics: spread and drift
export { layoutFeature, pairwiseDiversity, vendiScore } from "./metrics/diversity.ts";
export { driftCurve, lookDrift, type WorldDrift, worldDrift } from "./metrics/drift.ts";
// metrics: VBench
export type { Metric, MetricInput, MetricResult, Recipe } from "./metrics/metric.ts";
export { labelCoverage, modeCoverage, referenceCoverage } from "./metrics/mode-coverage.ts";
export { moransI } from "./metrics/moran.ts";
export { principalComponents } from "./metrics/principal-components.ts";
export { measureSegments, type SegmentResult, timeSegments } from "./metrics/segments.ts";
export type { Interval } from "./metrics/statistics/bootstrap.ts";
// metrics: statistics
export * as statistics from "./metrics/statistics/statistics.ts";
export { type VbenchKey, vbenchDimensions, vbenchKeys } from "./metrics/vbench/constants.ts";
export { temporalFlickeringMetric } from "./metrics/vbench/flickering-metric.ts";
export {
  readLeaderboard,
  type ScoredRow,
  scoreRow,
  scoreVbenchFile,
  writeLeaderboard,
} from "./metrics/vbench/leaderboard.ts";
export { type LintFinding, lintVbench } from "./metrics/vbench/lint.ts";
export { preflight } from "./metrics/vbench/preflight.ts";
export { loadEvalResults, mergeResults, writeEvalResults } from "./metrics/vbench/result-files.ts";
export { loadSubmissionZip, writeSubmission, writeSubmissionZip } from "./metrics/vbench/submission.ts";
export {
  competitionScores,
  vbench2Totals,
  vbenchI2vTotals,
  vbenchTotals,
} from "./metrics/vbench/totals.ts";
// metrics: world score
export { type WorldMetricName, worldMetric } from "./metrics/world-metric.ts";
export {
  type Correctness,
  meanWorldScore,
  scoreSegments,
  type WorldDimension,
  type WorldScore,
  worldDimensions,
  worldScore,
  worldTotals,
} from "./metrics/world-score.ts";
// model
export { CausalWan, type CausalWanOptions, causalWan } from "./model/causal-wan.ts";
export { type CausalWanConfig, presets } from "./model/config.ts";
export { dense, type HistoryPolicy, routing, sinkWindow, slidingWindow } from "./model/history-policy.ts";
export {
  loadModel,
  type ModelFileError,
  pretrained,
  type ShippedModel,
  saveModel,
  shippedModels,
} from "./model/model-file.ts";
export { type RoutingRecorder, type RoutingRow, routingRecorder } from "./model/routing-recorder.ts";
export { type TextEncoder, wordEncoder, worldText } from "./model/text.ts";
export type { Chart } from "./plot/chart.ts";
// plot
export * as plot from "./plot/plot.ts";
export type { Row, RowHolder, RowSource } from "./plot/row.ts";
// sample
export { chunkNoise } from "./sample/noise.ts";
export {
  generateClip,
  type RolloutChunk,
  type RolloutOptions,
  type RolloutResult,
  rollout,
  rolloutClip,
} from "./sample/rollout.ts";
// search
export { beamSearch } from "./search/beam-search.ts";
export { BudgetError } from "./search/budget.ts";
export type { Candidate, Position } from "./search/candidate.ts";
export type { SearchRow } from "./search/competition.ts";
export { copyOnly, evoSearch, noiseMutation, resampling, tournament } from "./search/evo-search.ts";
export { fleet } from "./search/fleet.ts";
export { type JournalRecord, readJournal } from "./search/journal.ts";
export { openJournal } from "./search/journal-file.ts";
export { type SearchSpaceOptions, searchSpace } from "./search/latent-space.ts";
export { linearSearch } from "./search/linear-search.ts";
export { particleSampling } from "./search/particle-sampling.ts";
export { hostSpace } from "./search/remote/host.ts";
export type { Channel } from "./search/remote/protocol.ts";
export { type RemoteSpace, remoteSpace } from "./search/remote/remote-space.ts";
export { workerFleet } from "./search/remote/worker-fleet.ts";
export { type SearchOptions, type SearchOutcome, search } from "./search/search.ts";
export type { SearchSpace } from "./search/space.ts";
export type { Scored, SearchContext, SearchEvent, SearchStrategy, Stamped } from "./search/strategy.ts";
export {
  type EvoToy,
  type EvoToyOptions,
  evoToy,
  type ToyFrame,
  type ToyRow,
  toyMixture,
} from "./search/toy/evo-toy.ts";
export { toyVideo } from "./search/toy/toy-picture.ts";
export { treeOfFrames } from "./search/tree-of-frames.ts";
export { zeroOrderSearch } from "./search/zero-order-search.ts";
export { benchEngine, type EngineBench } from "./tensor/bench/engine.ts";
export {
  type Device,
  type DeviceName,
  device,
  hasBf16,
  type Precision,
  setThreads,
  useDevice,
} from "./tensor/device.ts";
// tensor: fused ops
export { type Activation, gelu, silu } from "./tensor/ops/activation.ts";
export { type AdamWSettings, type AdamWSlot, adamw, adamwSlots } from "./tensor/ops/adamw.ts";
export { type AttentionOptions, attention, type Route } from "./tensor/ops/attention.ts";
export { appendCache, poolKeys, readCache } from "./tensor/ops/cache.ts";
export {
  blockCausal,
  type ChunkLists,
  dualSequence,
  windowMask,
} from "./tensor/ops/chunk-masks.ts";
export { embedding, timeEmbedding } from "./tensor/ops/embedding.ts";
export { flowMatchingLoss } from "./tensor/ops/flow-matching-loss.ts";
export { gatedResidual } from "./tensor/ops/gated-residual.ts";
export { headMajor, tokenMajor } from "./tensor/ops/head-major.ts";
export { type LinearOptions, linear } from "./tensor/ops/linear.ts";
export { type LinearParameters, linears } from "./tensor/ops/linears.ts";
export { layerNorm, layerNormModulate, rmsNorm } from "./tensor/ops/norm.ts";
export { packBf16, unpackBf16 } from "./tensor/ops/packed-bf16.ts";
export { patchify, unpatchify } from "./tensor/ops/patchify.ts";
export { randn } from "./tensor/ops/randn.ts";
export { normRope, rope } from "./tensor/ops/rope.ts";
export { type PathStep, type Rng, rng } from "./tensor/rng.ts";
// tensor: safetensors
export {
  openSafetensors,
  type RawTensor,
  readSafetensors,
  SafetensorsError,
  type SafetensorsFile,
  writeSafetensors,
} from "./tensor/safetensors.ts";
export { type Tensor, tf, type Variable } from "./tensor/tf.ts";
// train
export { type CheckpointError, type CheckpointOptions, listCheckpoints } from "./train/checkpoint.ts";
export { diffusionForcing } from "./train/forcing/diffusion-forcing.ts";
export type { Forcing, ForcingInput, Past } from "./train/forcing/forcing.ts";
export { noiseAugmentation } from "./train/forcing/noise-augmentation.ts";
export { parallelResampling } from "./train/forcing/parallel-resampling.ts";
export { replayedErrors } from "./train/forcing/replayed-errors.ts";
export { resamplingForcing } from "./train/forcing/resampling-forcing.ts";
export { switchAt } from "./train/forcing/switch-at.ts";
export { teacherForcing } from "./train/forcing/teacher-forcing.ts";
export { type RateSchedule, warmupCosine, warmupDecay } from "./train/learning-rate.ts";
export { flowMatching, type Objective } from "./train/objective.ts";
export { adamwOptimizer, muonOptimizer, type Optimizer } from "./train/optimizer.ts";
export { type Stage as TrainStage, type StageRow, stagedRecipe, trainStages } from "./train/stages.ts";
export { type Training, TrainingError, type TrainOptions, type TrainRow, train } from "./train/trainer.ts";
// verify
export { ensemble, zScoreEnsemble } from "./verify/ensemble.ts";
export { hierarchical, type PromptSplitter, ruleSplitter, type SubPrompts } from "./verify/hierarchical.ts";
export { noisy } from "./verify/noisy.ts";
export { oracle } from "./verify/oracle.ts";
export {
  colorProxy,
  motionProxy,
  shapeProxy,
  sharpnessProxy,
  smoothnessProxy,
  vividProxy,
} from "./verify/proxies.ts";
export type { Stage, Verifier, VerifierInput } from "./verify/verifier.ts";
export { type VlmClient, vlmClient } from "./verify/vlm/client.ts";
export { llmSplitter } from "./verify/vlm/llm-splitter.ts";
export {
  clarityQuestion,
  potentialQuestion,
  type QuestionSet,
  questions,
  stageQuestions,
  visionReward,
} from "./verify/vlm/questions.ts";
export { replayCache } from "./verify/vlm/replay-cache.ts";
export { VerdictError, vlmVerifier } from "./verify/vlm/vlm-verifier.ts";
// video
export type { Codec } from "./video/codec.ts";
export { type Batch, type Dataset, type Example, stackVideos, unstackVideos } from "./video/dataset.ts";
export { deblock, deblocked } from "./video/deblock.ts";
export { type DecodeOptions, decodeVideo } from "./video/decode.ts";
export { contactSheet, type Displayable, filmStrip, sideBySide } from "./video/display.ts";
export { encodeVideo, type VideoFormat } from "./video/encode.ts";
export { type FolderDataset, type FolderOptions, folderDataset } from "./video/folder.ts";
export { fitPcaCodec, loadPcaCodec, pcaCodec, savePcaCodec, worldCodec } from "./video/pca-codec.ts";
export { clip, type Video, type VideoInit, video } from "./video/video.ts";
export {
  maxPromptTokens,
  type PromptDemand,
  parsePrompt,
  promptsOf,
  type Scene,
  scenes,
  tokenize,
  vocabulary,
} from "./video/world/grammar.ts";
export { type ClipReading, readClip } from "./video/world/oracle/read-clip.ts";
export { type ClipState, gravity } from "./video/world/physics.ts";
export { holdOut, type World, type WorldExample, world, worldClip } from "./video/world/world.ts";
