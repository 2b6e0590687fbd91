export { onnxEncoderSink, type OnnxEncoderOptions } from './onnx-encoder/sink.js'
