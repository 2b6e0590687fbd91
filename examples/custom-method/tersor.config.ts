/** Used as `tersor compress MODEL --config tersor.config.ts --out DIR`. */
import { pipeline } from '@tersor/core'
import { rtn } from '@tersor/quantization'
import { randomPruning } from 'tersor-random-pruning'

export default pipeline(randomPruning({ sparsity: 0.1 }), rtn({ bits: 8, granularity: 'row' }))
