import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { json } from './command.fixture.js'
import { scene } from './scene.fixture.js'

const { at, fresh } = scene({ layers: 1 })
const MAIN = join(__dirname, 'command-line.ts')
const ROOT = join(__dirname, '../../..')

it('gives the same table of twelve when it is killed twice', async () => {
  const asked = ['sweep', at.model, '--data', at.text, '--tokens', '128', '--step', 'rtn(bits=[2,3,4,5,6,8], group=[8,16])']
  const argv = [...asked, '--journal', fresh('journal')]
  const whole = await json(...asked, '--journal', fresh('whole'))
  expect(whole.rows).toHaveLength(13)
  const code = `import { main } from ${JSON.stringify(MAIN)}; process.exitCode = await main(process.argv.slice(1))`
  for (let kill = 0; kill < 2; kill++) {
    const node = ['--conditions=@tersor/source', '--import', 'tsx', '--input-type=module', '-e', code, '--', ...argv, '--quiet']
    const env = { ...process.env, TERSOR_ENGINE: 'ort', NODE_OPTIONS: '' }
    const child = spawn(process.execPath, node, { cwd: ROOT, env, stdio: 'ignore' })
    const exit = once(child, 'exit')
    while (child.exitCode === null && !(await readdir(at.folder)).includes('journal')) await setTimeout(5)
    await Promise.race([setTimeout(300 + 400 * kill), exit])
    child.kill('SIGKILL')
    await exit
  }
  expect(await json(...argv)).toEqual(whole)
}, 600_000)
