export { MAX_JSON_BYTES, MAX_JSON_DEPTH, openTfjs, type TfjsModel } from './tfjs/open.js'
export { tfjsSink, type TfjsSinkOptions, type TfjsTopology } from './tfjs/sink.js'
export {
  MAX_AXES as MAX_TFJS_AXES,
  MAX_WEIGHTS as MAX_TFJS_WEIGHTS,
  type Manifest,
  type Quantization,
  type WeightDType,
  type WeightEntry,
  type WeightGroup,
} from './tfjs/manifest.js'
