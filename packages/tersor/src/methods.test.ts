import { callText, type Made } from '@tersor/core'
import { makeStep } from './methods.js'

const made = async (source: string): Promise<string> => callText((await makeStep(source, '.')) as Made)

it.each([
  ['quantize-activations(observer=percentile(percentile=0.98), bits=6)', 'observer=percentile(percentile=0.98)'],
  ['quantize-activations(observer=entropy)', 'observer=entropy'],
  ['mixed(methods=[rtn(bits=8, only=*.down_proj), nf4])', 'only=*.down_proj), nf4('],
])('makes %s', async (source, part) => {
  expect(await made(source)).toContain(part)
})

it.each([
  ['entropy()', 'UNKNOWN_METHOD', 'No step is called "entropy".'],
  [
    'quantize-activations(observer=rtn(bits=4))',
    'UNKNOWN_METHOD',
    'No observer is called "rtn".\nKnown are min-max, moving-average, percentile, entropy, mse;',
  ],
  ['quantize-activations(observer=8)', 'BAD_OPTION', 'quantize-activations got observer = 8.\nPass a observer: what finds the range.'],
  ['quantize-activations(observer=percentile(percentile=2))', 'BAD_OPTION', 'percentile observer got percentile = 2.'],
  ['rtn(bits=nf4())', 'BAD_OPTION', 'rtn got bits = nf4.\nPass an integer from 1 to 8'],
  ['mixed(methods=rtn(bits=8))', 'BAD_OPTION', 'Pass a list of methods'],
])('refuses %s', async (source, code, message) => {
  await expect(makeStep(source, '.')).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message.replace('a observer', 'an observer')),
  })
})
