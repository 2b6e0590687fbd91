/** `llama-cpp.ts <job> <settings as JSON>`: the decoding job by unmodified llama.cpp; needs `npm run conformance` once. */
import { createRequire } from 'node:module'
import { llamaFile, promptOf } from './llama-file.js'
import { serve, type Settings } from './serve.js'

const { getLlama, LlamaLogLevel } = await import(
  createRequire(new URL('../../conformance/package.json', import.meta.url)).resolve('node-llama-cpp')
)
const settings = JSON.parse(process.argv[3]) as Settings
const threads = Number(process.env.TERSOR_THREADS)
const llama = await getLlama({
  ...{ gpu: false, build: 'never', skipDownload: true, progressLogs: false },
  ...{ logLevel: LlamaLogLevel.error, maxThreads: threads },
})
const model = await llama.loadModel({ modelPath: await llamaFile(settings), gpuLayers: 0, useMmap: false })
const context = await model.createContext({ contextSize: 1024, sequences: 1, threads })
const sequence = context.getSequence()

const decode = async (): Promise<void> => {
  await sequence.clearHistory()
  let left = Number(settings.tokens)
  for await (const _ of sequence.evaluate(promptOf(), { temperature: 0, yieldEogToken: true })) if (--left === 0) return
}
await serve(decode, { engine: 'llama.cpp', version: 'llama.cpp of node-llama-cpp 3.22.1', threads }, Number(settings.warm))
