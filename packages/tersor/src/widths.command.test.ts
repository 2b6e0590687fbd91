import '@tensorflow/tfjs-backend-cpu'
import { stripVTControlCharacters } from 'node:util'
import { run } from './command.fixture.js'
import { scene } from './scene.fixture.js'

const { at, fresh } = scene({ layers: 1 })

/** What the screens of commands hold that another test does not look at. */
const SHOWN: readonly (readonly [command: string, argv: () => readonly string[]])[] = [
  ['compress', () => ['--out', fresh('wide'), '--overwrite', '--step', 'rtn(bits=4, group=8)', '--evaluate', at.text]],
  ['sweep', () => ['--data', at.text, '--step', 'rtn(bits=[2,3], group=8)', '--tokens', '64']],
]

it.each([60, 80, 100])('says nothing wider than %d columns', async columns => {
  for (const [command, argv] of SHOWN) {
    const { code, out } = await run([command, at.model, ...argv(), '--quiet'], columns)
    const widest = Math.max(...out.split('\n').map(line => stripVTControlCharacters(line).length))
    expect([command, code, widest <= columns, widest > columns / 2]).toEqual([command, 0, true, true])
  }
})
