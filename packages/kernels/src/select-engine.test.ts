import * as tf from '@tensorflow/tfjs-core'
import { selectEngine } from '@tersor/kernels'
import type { EngineAttempt } from '@tersor/kernels'

afterEach(() => {
  delete process.env['TERSOR_ENGINE']
})

describe('selectEngine', () => {
  it('takes ONNX Runtime where no GPU package is installed, and says what it tried', async () => {
    const reports: EngineAttempt[] = []
    const choice = await selectEngine({ onReport: attempt => void reports.push(attempt) })
    expect(choice).toMatchObject({ engine: 'ort', reason: 'native kernels of ONNX Runtime on the CPU' })
    expect(tf.getBackend()).toBe('ort')
    expect(choice.tried).toEqual(reports)
    expect(choice.tried[0]).toEqual({ engine: 'node-gpu', started: false, reason: '@tensorflow/tfjs-node-gpu is not installed' })
    expect(choice.tried[1]).toEqual({ engine: 'webgpu', started: false, reason: 'there is no WebGPU here' })
  })

  it('takes the engine asked for', async () => {
    expect(await selectEngine({ engine: 'cpu' })).toMatchObject({
      engine: 'cpu',
      reason: 'plain JavaScript on the CPU, which is slow, as asked',
    })
    expect(tf.getBackend()).toBe('cpu')
  })

  it('listens to TERSOR_ENGINE', async () => {
    process.env['TERSOR_ENGINE'] = 'cpu'
    expect((await selectEngine()).engine).toBe('cpu')
  })

  it('starts the engine that is asked for', async () => {
    expect(await selectEngine({ engine: 'wasm' })).toMatchObject({ engine: 'wasm', reason: 'WebAssembly on the CPU, as asked' })
    expect(tf.getBackend()).toBe('wasm')
  })

  it('refuses an engine that cannot start', async () => {
    await expect(selectEngine({ engine: 'node-gpu' })).rejects.toMatchObject({
      code: 'NO_ENGINE',
      message:
        'The engine "node-gpu" cannot start: @tensorflow/tfjs-node-gpu is not installed.\nInstall it with `npm install @tensorflow/tfjs-node-gpu`, or leave the choice open (unset TERSOR_ENGINE).',
    })
  })

  it('refuses a name it does not know', async () => {
    process.env['TERSOR_ENGINE'] = 'abacus'
    await expect(selectEngine()).rejects.toMatchObject({
      code: 'NO_ENGINE',
      message: 'There is no engine "abacus".\nUse one of node-gpu, webgpu, ort, wasm, cpu.',
    })
  })
})
