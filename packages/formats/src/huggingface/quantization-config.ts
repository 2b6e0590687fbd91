import type { Json } from '../files/json-text.js'

const KEY = 'quantization_config'
/** A name that no other loader knows, so that it refuses instead of loading parts of trees as weights. */
const METHOD = 'tersor'

/** The config of a folder with trees; unchanged where everything is dense. */
export const withTersor = (config: Json, codecs: readonly string[]): Json =>
  codecs.length === 0 ? config : { ...config, [KEY]: { quant_method: METHOD, codecs } }

/** The config as the architecture knows it. A quantization of another tool stays. */
export const withoutTersor = (config: Json): Json => {
  const { [KEY]: quantization, ...rest } = config
  return (quantization as { quant_method?: unknown } | null | undefined)?.quant_method === METHOD ? rest : config
}
