import { argumentText, recorded, type Option, type RecordedOption } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { installedMethods } from '../installed-methods.js'
import { isOwn, listMethods, type ListedMethod } from '../methods.js'
import { didYouMean, sameName } from '../nearest.js'
import { note, textWidth, paint, writeResult, type Terminal } from '../output.js'
import { wrapped } from '../wrapped.js'

const defaultText = (initial: unknown): string => argumentText(initial as RecordedOption)

/** As a step is written: of packages of others with their name before. */
const callName = ({ package: from, factory: { description } }: ListedMethod): string =>
  isOwn(from) ? description.name : `${from}:${description.name}`

const jsonOf = ({ package: from, factory: { description } }: ListedMethod) => ({
  name: description.name,
  package: from,
  kind: description.kind,
  summary: description.summary,
  ...(description.paper ? { paper: description.paper } : {}),
  options: Object.fromEntries(
    Object.entries(description.options).map(([name, { accepts, doc, required, default: initial }]) => [
      name,
      {
        accepts,
        doc,
        required,
        ...(initial === undefined ? {} : { default: typeof initial === 'object' ? recorded({ initial }).initial : initial }),
      },
    ]),
  ),
})

const optionLines = (
  terminal: Terminal,
  name: string,
  { accepts, doc, default: initial, required }: Option<any>,
  width: number,
): string => {
  const value = required ? 'required' : initial === undefined ? 'may be left out' : `default ${defaultText(initial)}`
  const head = `  ${paint(terminal, name, 'cyan')}  ${paint(terminal, value, 'dim')}`
  return `${head}\n${wrapped(`${accepts}: ${doc}`, width, 6)}`
}

/** Examples by what values look like. */
const VALUES: readonly (readonly [RegExp, string])[] = [
  [/^an integer/, '8'],
  [/^(a number|at least 0|0 to 1)/, '0.5'],
  [/^a list of numbers/, '[0.5]'],
  [/^N:M/, '2:4'],
]

/** A value that an option takes, for an example. */
const exampleOf = (name: string, { default: initial, accepts, of, list }: Option<any>, listed: readonly ListedMethod[]): string => {
  if (initial !== undefined) return `${name}=${defaultText(initial)}`
  const nested = of === undefined ? undefined : listed.find(({ factory }) => factory.description.kind === of)
  const value = nested ? callName(nested) : (VALUES.find(([looks]) => looks.test(accepts))?.[1] ?? accepts.split(' | ')[0])
  return `${name}=${nested && list ? `[${value}]` : value}`
}

const STEPS: readonly string[] = ['method', 'pass']
const OF_CACHES: readonly string[] = ['policy', 'rewrite', 'encoding']

/** A call that works in every shell: what must be given, or the first option that has a default. */
const exampleFor = (each: ListedMethod, listed: readonly ListedMethod[]): string => {
  const { kind, options } = each.factory.description
  const entries = Object.entries(options)
  const needed = entries.filter(([, { required }]) => required)
  const shown = needed.length > 0 ? needed : entries.filter(([, option]) => option.default !== undefined).slice(0, 2)
  const call = `${callName(each)}${shown.length === 0 ? '' : `(${shown.map(([name, option]) => exampleOf(name, option, listed)).join(', ')})`}`
  if (STEPS.includes(kind)) return `tersor compress MODEL --out DIR --step "${call}"`
  return OF_CACHES.includes(kind) ? `tersor generate MODEL --prompt TEXT --cache "${call}"` : `…(${kind}=${call})`
}

const fullText = (terminal: Terminal, each: ListedMethod, listed: readonly ListedMethod[], width: number): string => {
  const { name, kind, summary, paper, differs, options } = each.factory.description
  const lines = Object.entries(options).map(([option, entry]) => optionLines(terminal, option, entry, width))
  const source = paper ? [wrapped(`${paper.authors} ${paper.year}, ${paper.title}, ${paper.url}`, width)] : []
  return [
    `${paint(terminal, name, 'bold')}  ${kind} of ${each.package}`,
    wrapped(`${summary[0].toUpperCase()}${summary.slice(1)}.`, width),
    ...source,
    ...(differs === undefined ? [] : [wrapped(`Differs from the paper: ${differs}`, width)]),
    ...(lines.length > 0 ? ['', 'Options', ...lines] : []),
    '',
    'Example',
    `  ${exampleFor(each, listed)}`, // on one line, to be copied
  ].join('\n')
}

const NAME_WIDTH = 28

/** A line for each, by package and kind. */
const listText = (terminal: Terminal, listed: readonly ListedMethod[], width: number): string => {
  const groups = grouped(listed)
  const sections = [...groups].map(([from, methods]) => {
    const rows = methods.map(each => {
      const { name, summary } = each.factory.description
      const text = wrapped(summary, width, NAME_WIDTH + 2)
      const isLong = name.length >= NAME_WIDTH
      return `  ${paint(terminal, name, 'cyan')}${isLong ? `\n${text}` : text.slice(2 + name.length)}`
    })
    return `${paint(terminal, from, 'bold')}\n${rows.join('\n')}`
  })
  return `${sections.join('\n\n')}\n\nOne in full, with an example: tersor methods NAME`
}

/** By package, in the order in which they come. */
const grouped = (listed: readonly ListedMethod[]): ReadonlyMap<string, ListedMethod[]> => {
  const groups = new Map<string, ListedMethod[]>()
  for (const each of listed) groups.set(each.package, [...(groups.get(each.package) ?? []), each])
  return groups
}

/** Those that a name means, in another spelling too. */
const meantBy = (name: string, listed: readonly ListedMethod[]): readonly ListedMethod[] => {
  const meant = sameName(name, namesOf(listed))
  return listed.filter(each => meant !== undefined && [callName(each), each.factory.description.name].includes(meant))
}

const namesOf = (listed: readonly ListedMethod[]): readonly string[] => [
  ...new Set(listed.flatMap(each => [callName(each), each.factory.description.name])),
]

/** `tersor methods`: every step and policy, those of installed packages too; `tersor methods NAME`: one in full. Throws UNKNOWN_METHOD. */
export const methods = async (terminal: Terminal, name?: string): Promise<void> => {
  const width = textWidth(terminal)
  const own = listMethods()
  const known = name === undefined ? [] : meantBy(name, own)
  if (known.length > 0)
    return writeResult(terminal, known.map(jsonOf), known.map(each => fullText(terminal, each, own, width)).join('\n\n'))
  const { methods: others, broken } = await installedMethods(process.cwd())
  const listed = [...own, ...others]
  for (const line of broken) note(terminal, `${paint(terminal, 'warning', 'yellow')} ${line}`)
  if (name === undefined) return writeResult(terminal, listed.map(jsonOf), listText(terminal, listed, width))
  const found = meantBy(name, others)
  if (found.length > 0)
    return writeResult(terminal, found.map(jsonOf), found.map(each => fullText(terminal, each, listed, width)).join('\n\n'))
  const remedy = `${didYouMean(name, namesOf(listed))}tersor methods lists all of them.`
  throw new CompressionError('UNKNOWN_METHOD', `Nothing is called "${name}".`, remedy, { name })
}
