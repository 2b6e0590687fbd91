import { callText, recorded, type Made, type Option } from '@tersor/core'
import { listMethods } from '../methods.js'
import { paint, writeResult, type Terminal } from '../output.js'

const defaultText = (initial: unknown): string => (typeof initial === 'object' ? callText(initial as Made) : String(initial))

const optionLine = (terminal: Terminal, name: string, { accepts, doc, default: initial, required }: Option<any>): string => {
  const value = required ? 'required' : initial === undefined ? '' : `default ${defaultText(initial)}`
  return `    ${paint(terminal, name.padEnd(14), 'cyan')}${accepts}${value ? paint(terminal, `  (${value})`, 'dim') : ''}\n${' '.repeat(18)}${paint(terminal, doc, 'dim')}`
}

/** `tersor methods`: every step with its package, kind, options and paper. */
export const methods = (terminal: Terminal): void => {
  const listed = listMethods()
  const result = listed.map(({ package: from, factory: { description } }) => ({
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
  }))
  const text = listed.map(({ package: from, factory: { description } }) => {
    const { name, kind, summary, paper, options } = description
    const source = paper ? `\n  ${paint(terminal, `${paper.authors} ${paper.year}, ${paper.title}, ${paper.url}`, 'dim')}` : ''
    const lines = Object.entries(options).map(([option, entry]) => optionLine(terminal, option, entry))
    return `${paint(terminal, name, 'bold')}  ${kind} of ${from}: ${summary}${source}${lines.length > 0 ? `\n${lines.join('\n')}` : ''}`
  })
  writeResult(terminal, result, text.join('\n\n'))
}
