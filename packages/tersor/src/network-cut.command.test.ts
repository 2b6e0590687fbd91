import { json, run } from './command.fixture.js'
import { scene } from './scene.fixture.js'

const { at, fresh } = scene({ layers: 2 })

it('leaves a smaller network of the same kind, says so, and makes its bytes again', async () => {
  const out = fresh('cut')
  const step = 'structured(score=unit-taylor, keep=0.5, units=[neurons, heads])'
  const result = await json('compress', at.model, '--step', step, '--calibrate', at.text, '--verify', '--out', out)
  const before = await json('inspect', at.model)
  const after = await json('inspect', out)
  expect(result.cut).toEqual({
    parameters: { before: before.parameters, after: after.parameters },
    multiplyAdds: { before: before.multiplyAdds, after: after.multiplyAdds, each: 'position' },
  })
  expect(after.multiplyAdds).toBeLessThan(before.multiplyAdds)
  expect(result.bitsPerWeight).toBeLessThan(17)
  expect(result.verification).toBeDefined()
  expect(result.left.flatMap(({ names }: { names: string[] }) => names)).not.toContain('model.layers.0.mlp.up_proj')
  expect((await run(['repeat', out, '--out', fresh('again')])).code).toBe(0)
})

it('tells parameters and multiply-adds on the screen', async () => {
  const { code, out } = await run(['compress', at.model, '--step', 'structured(keep=0.5)', '--out', fresh('screen')], 100)
  expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/→ [\d.,]+.* parameters, [\d.,]+.* → [\d.,]+.* multiply-adds a position/) }) // prettier-ignore
})

it('refuses units that the network has not in two lines, and writes nothing', async () => {
  const { code, err } = await run(['compress', at.model, '--step', 'structured(units=[experts])', '--out', fresh('none')])
  expect(code).toBe(1)
  expect(err).toMatch(/structured finds no experts in this network\.\n.*neurons/)
})
