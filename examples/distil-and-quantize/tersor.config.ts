/** Two bits a weight, what rounding lost learned back by scales, then by small matrices beside the codes. */
import { pipeline } from '@tersor/core'
import { distill } from '@tersor/distillation'
import { lora } from '@tersor/low-rank'
import { gptq } from '@tersor/quantization'

export const STEPS = [gptq({ bits: 2, group: 32 }), distill({ steps: 100, rate: 0.0005 }), lora({ rank: 8, steps: 100 })] as const

export default pipeline(...STEPS)
