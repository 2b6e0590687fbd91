import { runInNewContext } from 'node:vm'
import { process as compile, testsOf } from '@tersor/testing/markdown'

const page = (...lines: readonly string[]): string => lines.join('\n')
const fence = (...lines: readonly string[]): string => page('```ts', ...lines, '```')

interface Outcome {
  readonly name: string
  readonly error?: string
}

/** Runs a page as Jest would, with Jest's own expect, and tells each test's outcome. */
const run = async (text: string): Promise<readonly Outcome[]> => {
  const tests: (readonly [name: string, body: () => Promise<void>])[] = []
  const it = Object.assign((name: string, body: () => Promise<void>) => tests.push([name, body]), { skip: () => {} })
  runInNewContext(compile(text, 'page.md').code, { it, expect, exports: {}, require: () => ({ half: 0.5 }), Error })
  const outcomes: Outcome[] = []
  for (const [name, body] of tests)
    outcomes.push(
      await body().then(
        () => ({ name }),
        (error: Error) => ({ name, error: error.message }),
      ),
    )
  return outcomes
}

const errorOf = async (...lines: readonly string[]): Promise<string | undefined> => (await run(fence(...lines)))[0].error

it('passes a value that is as the page says', async () => {
  expect(await errorOf('const x = [1, 2]', 'x.concat(3) // => [1, 2, 3]', "({ a: { b: 'c' } }) // => { a: { b: 'c' } }")).toBeUndefined()
})

it('fails where the value is another', async () => {
  const error = await errorOf('[1, 2].map(x => 2 * x) // => [2, 5]')
  expect(error).toContain('toEqual')
  expect(error).toContain('5')
})

it('waits for promises on the left', async () => {
  expect(await errorOf('await Promise.resolve(3) // => 3')).toBeUndefined()
  expect(await errorOf('await Promise.resolve(3) // => 4')).toContain('toEqual')
})

it('checks closeness to three decimals', async () => {
  expect(await errorOf('Math.PI // ~> 3.1416')).toBeUndefined()
  expect(await errorOf('Math.PI // ~> 3.143')).toContain('toBeCloseTo')
})

it('fails where nothing is thrown, and where the text is another', async () => {
  const body = "const fail = () => { throw new Error('no rank of 9\\nTake less.') }"
  expect(await errorOf(body, 'fail() // throws: rank of 9')).toBeUndefined()
  expect(await errorOf("await Promise.reject(new Error('late')) // throws: late")).toBeUndefined()
  expect(await errorOf(body, 'fail() // throws: rank of 8')).toContain('rank of 8')
  expect(await errorOf('Promise.resolve(1) // throws: rank')).toContain('resolved instead of rejected')
})

it('lifts imports once, whatever their length', async () => {
  const text = page(
    fence("import 'side-effect'", 'import {', '  half,', "} from 'numbers'", 'half // => 0.5'),
    fence("import 'side-effect'", '1 // => 1'),
  )
  const made = testsOf(text)
  expect(made.match(/import 'side-effect'/g)).toHaveLength(1)
  expect(made.indexOf("} from 'numbers'")).toBeLessThan(made.indexOf('it('))
  expect((await run(text)).map(({ error }) => error)).toEqual([undefined, undefined])
})

it('names tests after the heading above and numbers them', async () => {
  const text = page('# Page', fence('1'), '## A "quoted" part', 'text', fence('2'), fence('3'))
  expect((await run(text)).map(({ name }) => name)).toEqual([
    'Page (example 1)',
    'A "quoted" part (example 2)',
    'A "quoted" part (example 3)',
  ])
  expect(testsOf(fence('1'))).toContain('"page (example 1)"')
})

it('leaves out other languages and what is marked no-test', () => {
  const made = testsOf(page('```sh', 'rm -r out', '```', '```ts no-test', 'neverRun()', '```'))
  expect(made).toBe("it.skip('has no example', () => {})")
})

it('takes types out', async () => {
  expect(await errorOf('const x: readonly number[] = [1]', 'x as number[] // => [1]')).toBeUndefined()
})
