export { onnxDecoderSink, type OnnxDecoderOptions } from './decoder/sink.js'
