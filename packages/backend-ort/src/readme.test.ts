import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KERNEL_GROUPS } from './kernels/table.js'

const README = join(__dirname, '../README.md')
const TABLE = /<!-- kernels -->\n[\s\S]*?<!-- \/kernels -->/

function table(): string {
  const rows = Object.entries(KERNEL_GROUPS).map(([group, kernels]) => [group, Object.keys(kernels).join(', ')])
  return `<!-- kernels -->\n\n${[['what', 'tfjs kernels'], ['---', '---'], ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')}\n\n<!-- /kernels -->`
}

it('the README lists the kernels of the code (UPDATE_README=1 writes them)', () => {
  const text = readFileSync(README, 'utf8')
  if (process.env['UPDATE_README']) writeFileSync(README, text.replace(TABLE, table()))
  const squeezed = (markdown: string | undefined) => markdown?.replace(/ +/g, ' ').replace(/-{3,}/g, '---')
  expect(squeezed(TABLE.exec(readFileSync(README, 'utf8'))?.[0])).toBe(squeezed(table()))
})
