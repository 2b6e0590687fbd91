import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { methodPages } from './method-docs.js'

const ROOT = join(import.meta.dirname, '..')

/** Writes what methods, passes and observers say of themselves into the pages and tables about them. */
for (const { path, text, filled } of await methodPages(ROOT)) {
  const file = join(ROOT, path)
  const now = await format(filled, { ...(await resolveConfig(file)), parser: 'markdown' })
  if (now === text) continue
  writeFileSync(file, now)
  console.log(path)
}
