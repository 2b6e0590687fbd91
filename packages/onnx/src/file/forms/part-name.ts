/** How writers call the parts of a weight: ours, and those of ONNX Runtime. */
const ENDS = /_(?:quantized|Q[248](?:G\d+)?|DQ_Q4|f16|bf16)$/

/** The name of the weight that a part belongs to. */
export const weightNameOf = (part: string): string => part.replace(ENDS, '') || part
