import type { ParameterInfo, ParameterStore } from '@tersor/tensor'
import { bytesText } from './output.js'

/** What a parameter is stored as, in a word. */
const formOf = ({ storedAs, codec, dtype }: ParameterInfo & { readonly storedAs?: string }): string =>
  storedAs ?? codec ?? dtype ?? 'numbers'

interface Change {
  readonly from: string
  readonly to: string
  count: number
  grown: number
}

/** Parameters of both stores by what they were stored as and are now. */
const changesOf = (before: ParameterStore, after: ParameterStore): readonly Change[] => {
  const names = new Set(after.names())
  const changes = new Map<string, Change>()
  for (const name of before.names()) {
    if (!names.has(name)) continue
    const [was, is] = [before.info(name), after.info(name)]
    const [from, to] = [formOf(was), formOf(is)]
    const change = changes.get(`${from} ${to}`) ?? { from, to, count: 0, grown: 0 }
    change.count++
    change.grown += is.byteLength - was.byteLength
    changes.set(`${from} ${to}`, change)
  }
  return [...changes.values()]
}

/** Why a result takes no fewer bytes than its source, from what its tensors were stored as and are now; undefined where names do not meet. */
export const growthText = (before: ParameterStore, after: ParameterStore): string | undefined => {
  const changes = changesOf(before, after)
  if (changes.length === 0) return undefined
  const most = changes.reduce((a, b) => (b.grown > a.grown ? b : a))
  const tensors = `${most.count} tensor${most.count === 1 ? '' : 's'}`
  if (most.grown > 0 && most.from !== most.to)
    return `${tensors} went from ${most.from} to ${most.to}, which took ${bytesText(most.grown)} more`
  const isSame = changes.every(({ from, to }) => from === to)
  return isSame
    ? 'its tensors are stored as they were, and nothing was made smaller'
    : 'what surrounds the weights takes more than they save'
}
