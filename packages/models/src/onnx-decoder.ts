export { onnxDecoderSink, type OnnxDecoderOptions } from './onnx-decoder/sink.js'
