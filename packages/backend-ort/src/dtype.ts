/** The dtypes that ONNX Runtime computes for us; strings and complex numbers stay with tfjs-cpu. */
export type DType = 'float32' | 'int32' | 'bool'
export type Shape = readonly number[]
