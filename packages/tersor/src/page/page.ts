import { cellText, filledColumns, type Column } from '../columns.js'
import { escaped } from './escaped.js'

/** A part of a page; its HTML is made of escaped texts. */
export interface Section {
  readonly heading: string
  readonly html: string
}

const STYLE = `
:root { color-scheme: light dark; --text: #1c1f23; --paper: #fff; --faint: #667; --line: #d8dbe0; --code: #f3f4f6 }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --paper: #16181b; --faint: #9aa3ad; --line: #363b42; --code: #22262b } }
body { margin: 2rem auto; padding: 0 1rem; max-width: 60rem; font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper) }
h1 { font-size: 1.5rem; overflow-wrap: anywhere } h2 { font-size: 1.1rem; margin-top: 2.5rem }
.numbers { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; margin: 1.5rem 0 } .numbers div { font-size: 1.6rem; font-weight: 600 }
.numbers span { display: block; font-size: .85rem; font-weight: 400; color: var(--faint) }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap }
th { color: var(--faint); font-weight: 500 } .number { text-align: right }
pre { background: var(--code); padding: .8rem 1rem; border-radius: .4rem; overflow-x: auto; font-size: .85rem }
svg { max-width: 100%; height: auto; color: var(--text) } footer { margin-top: 3rem; color: var(--faint); font-size: .85rem }
`

/** A self-contained page: no script, no other file, light and dark as the reader's system is. */
export const pageOf = (title: string, sections: readonly Section[], footer: string): string =>
  `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
<h1>${escaped(title)}</h1>
${sections.map(({ heading, html }) => `${heading === '' ? '' : `<h2>${escaped(heading)}</h2>\n`}${html}`).join('\n')}
<footer>${escaped(footer)}</footer>
</html>
`

/** Large numbers with what they are. */
export const numbersHtml = (numbers: readonly (readonly [value: string, what: string])[]): string =>
  `<div class="numbers">${numbers.map(([value, what]) => `<div>${escaped(value)}<span>${escaped(what)}</span></div>`).join('')}</div>`

export const codeHtml = (text: string): string => `<pre><code>${escaped(text)}</code></pre>`

/** A table of columns, numbers on the right. */
export const tableHtml = <T>(given: readonly Column<T>[], rows: readonly T[]): string => {
  const columns = filledColumns(given, rows)
  const numeric = new Set(columns.filter(({ of }) => rows.some(row => typeof of(row) === 'number')))
  const kind = (column: Column<T>): string => (numeric.has(column) ? ' class="number"' : '')
  const head = columns.map(column => `<th${kind(column)}>${escaped(column.head)}</th>`).join('')
  const body = rows.map(row => `<tr>${columns.map(column => `<td${kind(column)}>${escaped(cellText(column, row))}</td>`).join('')}</tr>`)
  return `<div class="wide"><table><tr>${head}</tr>\n${body.join('\n')}</table></div>`
}
