/**
 * Compiles wasm/index.ts (AssemblyScript) into src/wasm/module.ts, base64 in a string so that nothing is loaded from a file, and
 * src/pool/worker.ts into src/pool/worker-code.ts, for the same reason.
 * With `--check` it writes nothing and fails when what is checked in differs from its sources.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import asc from 'assemblyscript/asc'
import * as prettier from 'prettier'
import ts from 'typescript'

const FOLDER = new URL('..', import.meta.url)
/** SIMD is in Node 20 and all browsers of 2023; relaxed SIMD is not in Node 20, and workers have instances with memories of their own. */
const OPTIONS = ['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--enable', 'simd']

const { binary, error, stderr } = await compile()
if (error) throw new Error(`${error.message}\n${stderr}`)
await keep('src/wasm/module.ts', 'MODULE', '../../wasm', Buffer.from(binary).toString('base64'))
await keep('src/pool/worker-code.ts', 'WORKER_CODE', 'worker.ts', workerCode())

/** Writes a constant, or compares it with what is there. */
async function keep(path, name, source, content) {
  const target = new URL(path, FOLDER)
  const text = await prettier.format(
    `/** Compiled by \`npm run wasm\` from ${source}; do not edit. */\nexport const ${name} = ${JSON.stringify(content)}\n`,
    { ...(await prettier.resolveConfig(target)), parser: 'typescript' },
  )
  if (!process.argv.includes('--check')) writeFileSync(target, text)
  else if (readFileSync(target, 'utf8') !== text) throw new Error(`${path} is not what its sources give.\nRun \`npm run wasm\`.`)
}

/** Both files as one script, without types, imports and exports. */
function workerCode() {
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, removeComments: true }
  const plain = name => ts.transpileModule(read(`src/pool/${name}`), { compilerOptions }).outputText
  return [plain('row-job.ts'), plain('worker.ts'), 'listen()\n']
    .join('')
    .replace(/^import .*\n/gm, '')
    .replace(/^export /gm, '')
}

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
