import { CompressionError } from '@tersor/tensor'

/** A step as written on the command line: `wanda(sparsity=0.5)` or `package:method(…)`. */
export interface StepCall {
  /** The npm package to import, where the method is not one of Tersor's own. */
  readonly package?: string
  readonly name: string
  readonly options: Readonly<Record<string, string | number | boolean>>
}

const CALL = /^\s*(?:(?<package>(?:@[\w.-]+\/)?[\w./-]+):)?(?<name>[\w-]+)\s*(?:\((?<body>[\s\S]*)\))?\s*$/
/** name = "quoted" or bare, up to the next comma. */
const ARGUMENT = /\s*([A-Za-z_]\w*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^,"']*?))\s*(?:,|$)/y

const badStep = (source: string, what: string): CompressionError =>
  new CompressionError(
    'BAD_OPTION',
    `The step ${JSON.stringify(source)} ${what}.`,
    "Write it as a call with named options, such as 'gptq(bits=4, group=32)'.",
    { step: source },
  )

const valueOf = (bare: string): string | number | boolean => {
  if (bare === 'true' || bare === 'false') return bare === 'true'
  return bare !== '' && Number.isFinite(Number(bare)) ? Number(bare) : bare
}

/** Reads one step; throws BAD_OPTION where it is no call with named options. */
export const parseStep = (source: string): StepCall => {
  const call = CALL.exec(source)
  if (!call) throw badStep(source, 'is not a call')
  const { name, body = '' } = call.groups as { name: string; body?: string }
  const options: Record<string, string | number | boolean> = {}
  ARGUMENT.lastIndex = 0
  while (ARGUMENT.lastIndex < body.trimEnd().length) {
    const at = ARGUMENT.lastIndex
    const match = ARGUMENT.exec(body.trimEnd())
    if (!match) throw badStep(source, `has an option that cannot be read at "${body.slice(at).trim()}"`)
    const [, key, double, single, bare] = match
    if (Object.hasOwn(options, key)) throw badStep(source, `gives ${key} twice`)
    if (bare === '') throw badStep(source, `gives ${key} no value`)
    options[key] = double ?? single ?? valueOf(bare)
  }
  return { name, options, ...(call.groups!.package ? { package: call.groups!.package } : {}) }
}
