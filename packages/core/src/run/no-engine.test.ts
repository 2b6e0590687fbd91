import { picoModel } from '@tersor/testing'
import { compress } from './compress.js'
import type { decode } from '../model/decode.js'
import { eachSite } from './each-site.js'

it('says which call loads an engine, where none is', async () => {
  const method = {
    kind: 'method',
    name: 'look',
    apply: (_weight: unknown, { current }: { current: Parameters<typeof decode>[0] }) => current,
  } as const
  await expect(compress(picoModel(), eachSite(method as never))).rejects.toMatchObject({
    code: 'NO_ENGINE',
    message:
      "No engine is loaded to compute with.\nCall await selectEngine() of @tersor/kernels first, or import '@tensorflow/tfjs-backend-cpu'.",
  })
})
