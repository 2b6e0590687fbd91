import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import ts from 'typescript'
import { ROOT, type Manifest } from '../workspace.js'
import { INSTALL, packages, packed, project, run, runBoth, tarballs } from './pack.js'

const MINUTES = 60_000
const TFJS = '4.22.0'

let folder = ''

/** The library example of the README, as it stands there. */
const example = async (): Promise<string> => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  return /^## Use it\n[\s\S]*?^```ts\n([\s\S]*?)^```/m.exec(readme)![1]
}

const asserted = (text: string): string =>
  ["import assert from 'node:assert/strict'", text.replace(/^(.+?);?\s*\/\/ => (.+)$/gm, 'assert.deepEqual($1, $2)')].join('\n')

const user = (): string => join(folder, 'project')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tersor-packed-'))
  const dependencies = { '@tensorflow/tfjs-backend-cpu': TFJS, '@tensorflow/tfjs-core': TFJS, ...(await packed()) }
  await project(user(), { type: 'module', dependencies })
}, 10 * MINUTES)

afterAll(() => rm(folder, { recursive: true, force: true }))

it('packs what each package needs and nothing that only tests need', async () => {
  const all = await tarballs()
  expect(all.map(({ name }) => name).sort()).toEqual(packages.map(({ manifest }) => manifest.name).sort())
  for (const { name, files } of all) {
    const paths = files.map(({ path }) => path)
    expect([name, paths]).toEqual([
      name,
      expect.arrayContaining(['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts']),
    ])
    expect([name, paths.filter(path => /\.(test|test-d|testing|reference)\.|tsbuildinfo|node_modules/.test(path))]).toEqual([name, []])
    if (name === 'tersor') expect(paths).toEqual(expect.arrayContaining(['page/index.html'])) // what tersor serve serves
    // every file that was built comes from one that is shipped, so that source maps lead somewhere
    const stale = paths.filter(path => /^dist\/.*\.js$/.test(path) && !paths.includes(path.replace(/^dist(.*)\.js$/, 'src$1.ts')))
    expect([name, stale]).toEqual([name, []])
  }
})

it(
  'installs and runs the command line without the native runtime, and says in one line how to get it',
  async () => {
    const bare = join(folder, 'user')
    // everything but the native runtime, which is an optional peer
    const dependencies = await packed(['@tersor/backend-ort', '@tersor/testing'])
    await project(
      bare,
      { dependencies },
      INSTALL.filter(word => word !== '--ignore-scripts'),
    )
    expect(await readdir(join(bare, 'node_modules'))).not.toContain('onnxruntime-node')
    const model = join(ROOT, 'examples/bundled-model/model')
    const argv = ['node_modules/.bin/tersor', 'compress', model, '--out', 'out', '--step', 'rtn(bits=4, group=32)']
    const { stdout, stderr } = await promisify(execFile)(process.execPath, argv, { cwd: bare, env: { ...process.env, NO_COLOR: '1' } })
    expect(stdout).toMatch(/out {2}6\.8 MB → 3\.\d MB/)
    // besides, a line for each stage that is done
    expect(stderr.split('\n').filter(line => !/ \(\d of \d\): .*, \d of \d$/.test(line))).toEqual([
      'engine wasm: WebAssembly on the CPU',
      '@tersor/backend-ort is not installed: native speed comes with `ONNXRUNTIME_NODE_INSTALL=skip npm install @tersor/backend-ort`',
      '',
    ])
    // what native engines say of the same text, to which WebAssembly comes as close as its sums allow
    await writeFile(
      join(bare, 'text.txt'),
      (await readFile(join(ROOT, 'examples/bundled-model/text/validation.txt'), 'utf8')).slice(0, 6000),
    )
    const measured = await run(bare, process.execPath, ['node_modules/.bin/tersor', 'evaluate', model, '--data', 'text.txt', '--json'])
    expect((JSON.parse(measured) as { perplexity: number }).perplexity).toBeCloseTo(71.62, 1)
  },
  5 * MINUTES,
)

it(
  'runs the library example of the README with plain node',
  async () => {
    const text = await example()
    expect(text).toContain('// =>')
    const { outputText } = ts.transpileModule(asserted(text), {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    })
    await writeFile(join(user(), 'example.js'), `${outputText}\nconsole.log('done')\n`)
    expect(await run(user(), process.execPath, ['example.js'])).toContain('done')
  },
  MINUTES,
)

it(
  'types the library example of the README from the declarations shipped',
  async () => {
    await writeFile(join(user(), 'typed.ts'), `${await example()}\n// @ts-expect-error there is no such option\nwanda({ sparsty: 0.5 })\n`)
    const compilerOptions = { noEmit: true, strict: true, skipLibCheck: true, module: 'nodenext', target: 'es2022', types: [] }
    await writeFile(join(user(), 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.ts'] }))
    const checked = run(user(), process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.'])
    await expect(checked.catch((error: { stdout: string }) => error.stdout)).resolves.toBe('')
  },
  MINUTES,
)

it(
  'has a command line that starts and lists every method',
  async () => {
    const version = packages.find(({ manifest }) => manifest.name === 'tersor')!.manifest.version
    expect((await run(user(), 'npx', ['--no-install', 'tersor', '--version'])).trim()).toBe(version)
    const listed = JSON.parse(await run(user(), 'npx', ['--no-install', 'tersor', 'methods', '--json'])) as { name: string }[]
    expect(listed.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['magnitude', 'wanda', 'sparse-gpt', 'rtn', 'gptq', 'svd', 'eora', 'pack', 'fold-batch-norm']),
    )
  },
  MINUTES,
)

describe('the folder of a third party, copied out as it stands', () => {
  const copy = (): string => join(folder, 'custom-method')

  beforeAll(async () => {
    const source = join(ROOT, 'examples/custom-method')
    await cp(source, copy(), { recursive: true, filter: path => !/\/(dist|node_modules)$/.test(path) })
    const manifest = JSON.parse(await readFile(join(copy(), 'package.json'), 'utf8')) as Manifest
    // what npm would find under these names, once it is published
    const ours = await packed()
    const withOurs = { ...manifest, dependencies: { ...manifest.dependencies, ...ours }, devDependencies: { ...manifest.devDependencies } }
    for (const name of Object.keys(ours)) delete withOurs.devDependencies[name]
    await writeFile(join(copy(), 'package.json'), JSON.stringify(withOurs))
    await run(copy(), 'npm', INSTALL)
  }, 5 * MINUTES)

  const counted = async (command: string, args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await runBoth(copy(), command, args)
    return `${stdout}\n${stderr}`
  }

  it(
    'builds and passes its tests with Jest',
    async () => {
      await run(copy(), 'npm', ['run', 'build'])
      expect(await counted('npm', ['test'])).toMatch(/Tests: +1\d passed, 1\d total/)
    },
    5 * MINUTES,
  )

  it(
    'passes them with Vitest',
    async () => {
      await run(copy(), 'npm', [...INSTALL, '--save-dev', 'vitest'])
      expect(await counted('npx', ['vitest', 'run'])).toMatch(/Tests +1\d passed \(1\d\)/)
    },
    5 * MINUTES,
  )
})

describe('the method of a third party, from its own folder', () => {
  const example = join(ROOT, 'examples/custom-method')
  const compressed = async (...how: string[]): Promise<{ steps: { method: string; sites: number }[] }> => {
    const args = ['compress', '../bundled-model/model', '--out', join(folder, how[0].slice(2)), '--json', '--quiet', ...how]
    return JSON.parse(await run(example, process.execPath, [join(ROOT, 'packages/tersor/bin/tersor.js'), ...args]))
  }

  it(
    'runs from --step',
    async () => {
      const { steps } = await compressed('--step', 'tersor-random-pruning:random-pruning(sparsity=0.1)')
      expect(steps).toMatchObject([{ method: 'random-pruning', sites: 28, options: { sparsity: 0.1 } }])
    },
    MINUTES,
  )

  it(
    'runs from a config file, by plain import',
    async () => {
      const { steps } = await compressed('--config', 'tersor.config.ts')
      expect(steps.map(step => step.method)).toEqual(['random-pruning', 'rtn'])
    },
    MINUTES,
  )
})
