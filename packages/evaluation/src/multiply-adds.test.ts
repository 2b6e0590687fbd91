import '@tensorflow/tfjs-backend-cpu'
import { picoModel, useEngine } from '@tersor/testing'
import { multiplyAddsOf } from './multiply-adds.js'

useEngine()

it('adds up what a position is multiplied with: 16 × 32 and 32 × 8', () => {
  expect(multiplyAddsOf(picoModel())).toBe(16 * 32 + 32 * 8)
})

it('does not guess for convolutions and experts', () => {
  const model = picoModel()
  const [first, ...others] = model.stages
  const convolved = { ...first, sites: first.sites.map(site => ({ ...site, kind: 'conv2d' as const })) }
  expect(multiplyAddsOf({ ...model, stages: [convolved, ...others] })).toBeUndefined()
  expect(multiplyAddsOf({ ...model, couplings: [{ name: 'e', kind: 'experts', units: 4, members: [] }] })).toBeUndefined()
  expect(multiplyAddsOf({ ...model, stages: [] })).toBeUndefined()
})
