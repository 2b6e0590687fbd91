/**
 * Compiles wasm/index.ts (AssemblyScript) into src/wasm/module.ts, base64 in a string so that nothing is loaded from a file.
 * With `--check` it writes nothing and fails when the checked-in module differs from its sources.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import asc from 'assemblyscript/asc'
import * as prettier from 'prettier'

const FOLDER = new URL('..', import.meta.url)
const TARGET = new URL('src/wasm/module.ts', FOLDER)
/** SIMD is in Node 20 and all browsers of 2023; relaxed SIMD is not in Node 20, and threads would need shared memory. */
const OPTIONS = ['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--enable', 'simd']

const { binary, error, stderr } = await compile()
if (error) throw new Error(`${error.message}\n${stderr}`)
const text = await prettier.format(
  `/** Compiled by \`npm run wasm\` from ../../wasm; do not edit. */\nexport const MODULE = '${Buffer.from(binary).toString('base64')}'\n`,
  { ...(await prettier.resolveConfig(TARGET)), parser: 'typescript' },
)
if (!process.argv.includes('--check')) writeFileSync(TARGET, text)
else if (readFileSync(TARGET, 'utf8') !== text) throw new Error('src/wasm/module.ts is not what its sources give.\nRun `npm run wasm`.')

async function compile() {
  let binary
  const { error, stderr } = await asc.main(['wasm/index.ts', ...OPTIONS, '--outFile', 'module.wasm'], {
    readFile: name => read(name),
    writeFile: (name, content) => void (name.endsWith('.wasm') && (binary = content)),
    listFiles: () => [],
  })
  return { binary, error, stderr: String(stderr) }
}

function read(name) {
  try {
    return readFileSync(new URL(name, FOLDER), 'utf8')
  } catch {
    return null // the compiler tries several places
  }
}
