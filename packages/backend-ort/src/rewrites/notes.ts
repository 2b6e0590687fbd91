import type { backend_util } from '@tensorflow/tfjs-core'
import type { Operand } from '../trace-types.js'

/** Left on a pending Softmax by the product P·V that reads it: attention's context, which the gradient of the softmax can use. */
export interface MatMulNote {
  readonly factor: Operand
  readonly product: Operand
}

/** Left on a pending OneHot. */
export interface OneHotNote {
  readonly depth: number
}

/** Left on a pending Conv: what it takes to record it again with a bias. */
export interface ConvNote {
  readonly info: backend_util.Conv2DInfo
  readonly activation: string | undefined
  readonly depthwise: boolean
}
