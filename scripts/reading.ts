import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { readingPage } from './reading-page.js'

const PAGE = join(import.meta.dirname, '../docs/reading.md')

writeFileSync(PAGE, await format(readingPage(), { ...(await resolveConfig(PAGE)), parser: 'markdown' }))
