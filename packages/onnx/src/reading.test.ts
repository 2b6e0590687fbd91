import { ONNX_READING } from './file.js'

it('names the operators that the reader goes by', () => {
  const [sites, forms, moved] = ONNX_READING.rows.map(({ what }) => what)
  expect(sites).toMatch(/^weights of MatMul, Gemm, Conv, ConvTranspose, Einsum, LSTM, .*FusedMatMul of com\.microsoft/)
  expect(forms).toBe('weights in DequantizeLinear, Cast, DequantizeLinear of com.microsoft, MatMulNBits of com.microsoft')
  expect(moved).toBe('weights behind Identity, Transpose, Reshape, Flatten, Squeeze, Unsqueeze, Cast')
})
