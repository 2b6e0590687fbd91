import { nodeFileSystem } from '@tersor/formats/internal/files/file-system'
import { MARK_FILE, markFolder } from '@tersor/formats/internal/files/mark'
import type { OpenedModel } from '@tersor/models/open-model'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { kindOf, stands } from './kind-of.js'
import { CARD_MARK, modelCard, type CardFacts } from './model-card.js'
import { writeWhole } from './page/write-page.js'
import { recipePath } from './recipe.js'

/** What transformers writes into a config of where a model came from. */
export const nameInConfig = ({ rawConfig }: OpenedModel): unknown => (rawConfig as Readonly<Record<string, unknown>>)._name_or_path

/** Writes beside a finished output how it was made, and into its folder a card; a card that somebody wrote stays. Throws DISK. */
export const describeOutput = async (out: string, facts: Omit<CardFacts, 'file'>): Promise<void> => {
  await writeWhole(await recipePath(out), `${JSON.stringify(facts.recipe, null, 2)}\n`)
  if ((await kindOf(out)) !== 'folder') return
  const card = join(out, 'README.md')
  const standing = await readFile(card, 'utf8').catch(() => undefined)
  const file = (await stands(join(out, 'model.gguf'))) ? 'model.gguf' : undefined
  if (standing === undefined || standing.includes(CARD_MARK)) await writeWhole(card, modelCard({ ...facts, file }))
  // what is written into a folder of ours is ours as well, so that --overwrite may replace it
  if (!(await stands(join(out, MARK_FILE)))) return
  await rm(join(out, MARK_FILE))
  await markFolder(nodeFileSystem(), out)
}
