import { untilStop } from './until-stop.js'

const run = async (pieces: readonly string[], stops: readonly string[]): Promise<readonly [readonly string[], boolean]> => {
  const given = async function* () {
    yield* pieces
  }
  const told: string[] = []
  const from = untilStop(given(), stops)
  for (;;) {
    const next = await from.next()
    if (next.done) return [told, next.value]
    told.push(next.value)
  }
}

it('hands on all where nothing stops it', async () => {
  expect(await run(['a', 'b'], [])).toEqual([['a', 'b'], false])
  expect(await run(['a', 'b'], ['x'])).toEqual([['a', 'b'], false])
})

it('holds back what may become a stop, and hands it on where it does not', async () => {
  expect(await run(['one <', 'e', 'nd', '> two'], ['<end>'])).toEqual([['one '], true])
  expect(await run(['one <', 'e', 'x'], ['<end>'])).toEqual([['one ', '<ex'], false])
  expect(await run(['one <e'], ['<end>'])).toEqual([['one ', '<e'], false])
})

it('ends at the first of several', async () => {
  expect(await run(['a.b;c'], [';', '.'])).toEqual([['a'], true])
  expect(await run(['.b'], ['.'])).toEqual([[], true])
})
