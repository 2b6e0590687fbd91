/** Claims about many texts under a cap of memory. */
import { fastSwitch, fileBlocks } from '@tersor/kv-cache'
import { openSession, openSessionPool, type LanguageModel } from '@tersor/models'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { greedy } from '@tersor/models/sampling'
import type { Claim, Side } from '../training/claim.js'
import { bundledTexts } from './sessions.js'

const [TEXTS, TURNS, READ, WRITTEN, FITTING] = [16, 8, 6, 2, 4]
const TOKENS = TURNS * (READ + WRITTEN)

type Append = (text: number, ids: readonly number[]) => Promise<Float32Array>

/** Turns of all texts: each reads some tokens and writes some; the ids of each. */
const converse = async (windows: readonly (readonly number[])[], append: Append): Promise<readonly string[]> => {
  const said: number[][] = windows.map(() => [])
  for (let turn = 0; turn < TURNS; turn++)
    for (const [text, window] of windows.entries()) {
      let logits = await append(text, window.slice(turn * READ, (turn + 1) * READ))
      for (let i = 0; i < WRITTEN; i++) {
        const id = greedy(logits)
        said[text].push(id)
        logits = await append(text, [id])
      }
    }
  return said.map(ids => ids.join(' '))
}

const bytesOfToken = ({ stages }: LanguageModel): number =>
  stages.reduce((sum, { attention }) => sum + (attention ? 8 * attention.keyHeads * attention.size : 0), 0)

/** Windows that are long enough for all turns. */
const texts = async (): Promise<readonly (readonly number[])[]> => {
  const { validation } = await bundledTexts()
  return validation.filter(({ length }) => length >= TURNS * READ).slice(0, TEXTS).map(ids => [...ids]) // prettier-ignore
}

let free: Promise<readonly string[]> | undefined
/** The same without a cap. */
const uncapped = () =>
  (free ??= (async () => {
    const { model } = await bundledTexts()
    const sessions = await Promise.all((await texts()).map(() => openSession(model, { form: 'dense' })))
    const said = await converse(await texts(), (text, ids) => sessions[text].append(ids)) // prettier-ignore
    sessions.forEach(session => session.dispose())
    return said
  })())

const capped = async (options: Parameters<typeof fastSwitch>[0]) => {
  const { model } = await bundledTexts()
  const folder = await mkdtemp(join(tmpdir(), 'tersor-switch-'))
  const swap = fastSwitch({ block: 8, ...options }).open(await fileBlocks(join(folder, 'blocks')))
  const most = FITTING * TOKENS * bytesOfToken(model)
  const pool = await openSessionPool(model, { form: 'dense', swap, most })
  try {
    let largest = 0
    const said = await converse(await texts(), async (text, ids) => {
      const logits = await pool.append(String(text), ids)
      largest = Math.max(largest, pool.bytes)
      return logits
    })
    const wanted = await uncapped()
    const { writes, bytesWritten } = swap.traffic
    return {
      'same texts': said.filter((text, i) => text === wanted[i]).length,
      'megabytes written': bytesWritten / 1e6,
      writes,
      'kilobytes a write': bytesWritten / 1000 / writes,
      'share of the cap': largest / most,
    }
  } finally {
    await pool.dispose()
    await rm(folder, { recursive: true, force: true })
  }
}

const side = (name: string, options: Parameters<typeof fastSwitch>[0]): Side => ({ name, fixed: true, measure: () => capped(options) })

export const FAST_SWITCH: readonly Claim[] = [
  {
    name: 'fast-switch',
    says: `${TEXTS} texts of ${TURNS} turns of ${READ + WRITTEN} tokens on the bundled model, under a cap of ${FITTING}: the same texts as without a cap; fewer and larger writes than block by block, and bytes for new blocks alone`,
    figures: {
      'same texts': { better: 'higher', digits: 0, tie: 0 },
      'megabytes written': { better: 'lower', digits: 1, tie: 0 },
      writes: { better: 'lower', digits: 0, tie: 0 },
      'kilobytes a write': { better: 'higher', digits: 0, tie: 0 },
      'share of the cap': { better: 'lower', digits: 3, tie: 0 },
    },
    sides: () => [side('fastSwitch', {}), side('block by block', { grouped: false }), side('all each time', { reuse: false })],
    orders: [
      { figure: 'same texts', first: 'fastSwitch', than: TEXTS },
      { figure: 'share of the cap', first: 'fastSwitch', than: 1 },
      { figure: 'writes', first: 'fastSwitch', than: 'block by block' },
      { figure: 'kilobytes a write', first: 'fastSwitch', than: 'block by block' },
      { figure: 'megabytes written', first: 'fastSwitch', than: 'all each time' },
    ],
  },
]
