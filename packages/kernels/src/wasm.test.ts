import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { wasmKernels } from './wasm.js'

it('is compiled from the sources that are checked in', () => {
  execFileSync(process.execPath, [join(__dirname, '../scripts/build-wasm.mjs'), '--check'])
})

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

it('subtracts an outer product, also of lengths that no vector divides', () => {
  const kernels = wasmKernels()
  for (const length of [1, 15, 16, 37]) {
    const arena = kernels.arena(4 * (3 * length + length + 3) + 48)
    const [w, e, u] = [arena.f32(3 * length), arena.f32(length), arena.f32(3)]
    w.forEach((_, at) => (w[at] = at))
    e.forEach((_, at) => (e[at] = at % 5))
    u.set([1, 0, -2])
    kernels.subtractOuter(w.byteOffset, e.byteOffset, u.byteOffset, 3, length)
    expect([...w]).toEqual(Array.from(w, (_, at) => at - u[Math.floor(at / length)]! * ((at % length) % 5)))
  }
})
