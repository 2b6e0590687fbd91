import type { Step } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { access, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Config, ConfigStep } from './define-config.js'
import { stands } from './kind-of.js'
import { makeStep } from './methods.js'
import type { StepValue } from './step.js'
import { callSource } from './swept-steps.js'

/** Where a config is looked for, in this order. */
const CONFIG_NAMES = ['ts', 'mts', 'js', 'mjs', 'json', 'yaml', 'yml'].map(end => `tersor.config.${end}`)

const TYPES: Readonly<Record<keyof Config, string>> = {
  ...{ model: 'string', calibrate: 'object', steps: 'object', for: 'string', out: 'string', seed: 'number', evaluate: 'object' },
  ...{
    bits: 'number',
    cut: 'number',
    samples: 'number',
    length: 'number',
    shuffle: 'boolean',
    report: 'string',
    verify: 'boolean',
    $schema: 'string',
  },
  ...{ format: 'string', type: 'string', imatrix: 'string', form: 'string', checkpointFormat: 'string', dtype: 'string' },
}

/** What may be one or several. */
const LISTS: Readonly<Record<string, string>> = {
  ...{ steps: 'a step, or a list of them', calibrate: 'a path, or a list of them', evaluate: 'a path, or a list of them' },
}

const refuse = (path: string, what: string, remedy: string, cause?: unknown): CompressionError =>
  new CompressionError('BAD_OPTION', `${path} ${what}`, remedy, { path }, cause)

/** The config in a folder; undefined where there is none. */
export const findConfig = async (folder: string): Promise<string | undefined> => {
  for (const name of CONFIG_NAMES) {
    const path = join(folder, name)
    if (await stands(path)) return path
  }
  return undefined
}

const imported = async (file: string): Promise<unknown> => {
  const { createJiti } = await import('jiti')
  return createJiti(pathToFileURL(file).href).import(file, { default: true })
}

/** How a file is read, by its end; others are modules. */
const READERS: Readonly<Record<string, (file: string) => Promise<unknown>>> = {
  json: async file => JSON.parse(await readFile(file, 'utf8')) as unknown,
  yaml: async file => (await import('yaml')).parse(await readFile(file, 'utf8')) as unknown,
  yml: file => READERS.yaml(file),
}

const isStep = (value: unknown): value is Step => ['pass', 'method'].includes((value as Partial<Step> | undefined)?.kind ?? '')

/** Checks what a file holds; throws BAD_OPTION, which names what is wrong. */
const checked = (path: string, value: unknown): Config => {
  if (isStep(value)) return { steps: value }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !('steps' in value || 'for' in value))
    throw refuse(
      path,
      'does not export a pipeline by default.',
      'End it with: export default pipeline(wanda({ sparsity: 0.5 }), …), or defineConfig({ model, steps, out })',
    )
  for (const [name, each] of Object.entries(value)) {
    const type = TYPES[name as keyof Config]
    if (!Object.hasOwn(TYPES, name)) throw refuse(path, `has a field "${name}".`, `Its fields are ${Object.keys(TYPES).join(', ')}.`)
    const isRight = type === 'object' ? each !== null && ['object', 'string'].includes(typeof each) : typeof each === type
    if (!isRight && each !== undefined) throw refuse(path, `has ${name} = ${JSON.stringify(each)}.`, `Pass ${LISTS[name] ?? `a ${type}`}.`)
  }
  return value as Config
}

/** Loads a config from a file that exports it or a pipeline by default, or holds it as JSON or YAML; throws NOT_FOUND or BAD_OPTION. */
export const loadConfig = async (path: string): Promise<Config> => {
  const file = resolve(path)
  await access(file).catch(cause => {
    throw new CompressionError(
      'NOT_FOUND',
      `There is no config file ${file}.`,
      'Pass the path of a file that exports a pipeline.',
      { path },
      cause,
    )
  })
  const read = READERS[/\.(\w+)$/.exec(file)?.[1] ?? ''] ?? imported
  const loaded = await read(file).catch((cause: unknown) => {
    throw refuse(path, `cannot be loaded: ${(cause as Error).message.split('\n')[0]}`, 'Run it with node to see where it fails.', cause)
  })
  return checked(path, loaded)
}

/** An object as a call: `{ gptq: { bits: 4 } }` is gptq(bits=4), and so are values of its options. */
const callValue = (value: unknown): StepValue => {
  if (Array.isArray(value)) return value.map(callValue)
  if (typeof value !== 'object' || value === null) return value as StepValue
  const [[name, options], ...others] = Object.entries(value as Record<string, unknown>)
  if (others.length > 0 || typeof (options ?? {}) !== 'object')
    throw new CompressionError(
      'BAD_OPTION',
      `${JSON.stringify(value)} is no step.`,
      'Write it as { "gptq": { "bits": 4 } }, one name with its options, or as text: "gptq(bits=4)".',
    )
  const entries = Object.entries((options ?? {}) as Record<string, unknown>)
  return { name, options: Object.fromEntries(entries.map(([option, each]) => [option, callValue(each)])) }
}

/** Makes the steps of a config; throws BAD_OPTION or UNKNOWN_METHOD. */
export const configSteps = async ({ steps = [] }: Pick<Config, 'steps'>): Promise<readonly Step[]> => {
  const list = (Array.isArray(steps) ? steps : [steps]) as readonly ConfigStep[]
  return Promise.all(
    list.map(async each => {
      if (isStep(each)) return each
      return makeStep(typeof each === 'string' ? each : callSource(callValue(each) as Parameters<typeof callSource>[0]), process.cwd())
    }),
  )
}
