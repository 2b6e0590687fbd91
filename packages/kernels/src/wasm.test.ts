import { wasmKernels } from './wasm.js'

it('gives views that are aligned, lie apart and outlive nothing but the next arena', () => {
  const kernels = wasmKernels()
  const first = kernels.arena(100_000).f32(3)
  const arena = kernels.arena(200_000)
  expect(first.length).toBe(0) // the memory has grown, and old views are empty
  const views = [arena.f32(3), arena.f64(2), arena.i32(20_000)]
  for (const { byteOffset } of views) expect(byteOffset % 16).toBe(0)
  views.forEach((view, index) => view.fill(index + 1))
  expect(views.map(view => [...new Set(view)])).toEqual([[1], [2], [3]])
})

it('keeps the memories of two instances apart', () => {
  const [one, other] = [wasmKernels().arena(64).f32(4), wasmKernels().arena(64).f32(4)]
  one.fill(7)
  expect([...other]).toEqual([0, 0, 0, 0])
})
