import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { READERS } from '../packages/formats/src/huggingface/quantized/open.js'
import { readingPage } from '../scripts/reading-page.js'
import { ROOT } from './workspace.js'

/** Words and bars alone: the formatter pads tables. */
const bare = (page: string): string[] => page.split('\n').map(line => line.replace(/-{3,}/g, '---').replace(/\s+/g, ' ').trim())

it('docs/reading.md is what `npm run reading` makes of the tables', () => {
  const page = readFileSync(join(ROOT, 'docs/reading.md'), 'utf8')
  expect(bare(page)).toEqual(bare(readingPage()).slice(0, -1))
  for (const method of Object.keys(READERS)) expect(page).toContain(`\`quant_method: ${method}\``)
})
