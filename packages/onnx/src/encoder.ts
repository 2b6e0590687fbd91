export { onnxEncoderSink, type OnnxEncoderOptions } from './encoder/sink.js'
