export * from './model/model.js'
export * from './run/provenance.js'
export * from './step/method.js'
export type * from './run/progress-event.js'
export * from './run/rng.js'
export type { AttentionFacts, Entries, LayerCache } from './cache/layer-cache.js'
export { hiddenOf, HIDDEN_FROM_SIGHT, type Sight } from './cache/hidden.js'
export { positionsOf, spansOf, type Kept } from './cache/entries.js'
export { turnPairs } from './cache/turn-pairs.js'
export { heldCache, type HeldCache, type Progress } from './cache/held-cache.js'
export type { LastQueries, Queries } from './cache/last-queries.js'
export {
  openCaches,
  piecesOf,
  type Piece,
  type Caches,
  type CachesState,
  type CacheBytes,
  type CachesOptions,
  type LayerBytes,
  type Pause,
} from './cache/caches.js'
export * from './cache/policy.js'
export * from './cache/encoding.js'
export type { Page } from './cache/page.js'
export { readCaches, storeCaches, type CachesFacts, type StoredCaches } from './cache/stored-caches.js'
export { modelIdentity } from './run/fingerprint.js'
export { sha256Digests } from './run/digest.js'
export * from './step/options.js'
export {
  described,
  defineMethod,
  definePass,
  defineValue,
  type Arguments,
  type Description,
  type DescriptionTexts,
  ONLY,
  type Factory,
  type MethodDefinition,
  type Paper,
  type PassDefinition,
  type ValueDefinition,
} from './step/define-method.js'
export * from './model/select-sites.js'
export * from './run/each-site.js'
export { collector, type Collector, type SiteStats } from './run/calibrate.js'
export * from './run/scratch.js'
export type * from './run/stage-sink.js'
export * from './run/activations.js'
export type * from './run/storage.js'
export * from './run/compress.js'
export * from './version.js'
export * from './model/decode.js'
export * from './model/load.js'
export * from './model/batch-moments.js'
export * from './model/activation-grid.js'
export * from './model/prompted.js'
export * from './run/walk.js'
export { followStages, type FollowOptions, type StageView } from './run/stage-view.js'
export type { StageWriterOptions } from './run/stage-writer.js'
export * from './model/load-packed.js'
export * from './codecs/masked.js'
export * from './codecs/affine.js'
export * from './codecs/lines.js'
export * from './codecs/factored.js'
export * from './codecs/sum.js'
export * from './codecs/matrix.js'
export * from './codecs/permuted.js'
export * from './codecs/bitmask.js'
export * from './codecs/codebook.js'
export * from './codecs/levels.js'
export * from './codecs/powers.js'
export * from './codecs/scaled.js'
export * from './codecs/ranged.js'
export * from './codecs/tiled.js'
export * from './codecs/stretched.js'
export * from './codecs/turned.js'
export * from './codecs/outliers.js'
export * from './codecs/block-trees.js'
export * from './codecs/core-codecs.js'
export * from './step/pack.js'
export * from './step/mixed.js'
export * from './choose/evolve.js'
export * from './train/gradient-transform.js'
export * from './train/schedules.js'
export * from './train/adam.js'
export * from './train/lamb.js'
export * from './train/sgd.js'
export * from './train/clip.js'
export * from './train/grouped.js'
export * from './train/losses.js'
export * from './train/objective.js'
export { sameClasses } from './train/scene.js'
export type { Clock, Moment } from './train/moment.js'
export type { Backward } from './train/backward.js'
export type { Average } from './train/average.js'
export type { Watch } from './train/watch.js'
export type { Checkpoint } from './train/checkpoint.js'
export { accumulated, sharpness, type Plan, type PlanRun, type Variation } from './train/plan.js'
export * from './train/parametrization.js'
export { byPlace, type ByPlace, type How } from './train/by-place.js'
export { leaves, type Treatment } from './train/leaves.js'
export type { TrainedNode } from './train/node.js'
export * from './train/frozen.js'
export type { StatisticsOf } from './train/statistics.js'
export type { FitOptions, Trained } from './train/fit-options.js'
export * from './train/fit.js'
export type { WithWeights, TrainOptions, WeightsWatch } from './train/train-options.js'
export * from './train/train.js'
export * from './train/data/window-batches.js'
export * from './train/data/masked-tokens.js'
export * from './train/data/image-batches.js'
export * from './train/data/augmentations.js'
export * from './train/data/held.js'
export { trainIn, trainingOf, checkTraining, refuseItself, TRAINING, type TrainInOptions } from './train/train-in.js'
export {
  defineTerm,
  defineParametrization,
  isTerm,
  isParametrization,
  type TermBody,
  type ParametrizationBody,
} from './train/define-term.js'
export { asRows, divergenceOfRows, imitation, meanOfRows, teacherDivergence } from './train/divergence.js'
export * from './train/weight-compander.js'
export * from './train/estimate-statistics.js'
