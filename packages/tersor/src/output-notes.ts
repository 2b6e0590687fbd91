import type { GgufReport } from '@tersor/formats/gguf'
import type { FormatFlags } from './format-flags.js'
import { bytesText } from './output.js'

const countsOf = (report: readonly GgufReport[]): string => {
  const counts = new Map<string, number>()
  for (const { type } of report) counts.set(type, (counts.get(type) ?? 0) + 1)
  return [...counts].map(([type, count]) => `${count} ${type}`).join(', ')
}

/** Why a tensor has another type than the one that was asked for. */
const insteadText = ({ name, type, insteadOf }: GgufReport): string =>
  type === 'f32'
    ? `${name} is stored as f32, since its numbers go beyond f16, instead of ${insteadOf}`
    : `${name} is stored as ${type}, whose blocks its rows fill, instead of ${insteadOf}`

/** Trees that GGUF has no block type for: all of them in one line, with what they take now. */
const decompressedText = (report: readonly GgufReport[]): readonly string[] => {
  const opened = report.filter(({ decompressed }) => decompressed)
  if (opened.length === 0) return []
  const codecs = [...new Set(opened.map(({ decompressed }) => decompressed!.codec))].join(', ')
  const [before, after] = [opened.map(({ decompressed }) => decompressed!.byteLength), opened.map(({ byteLength }) => byteLength)].map(
    sizes => bytesText(sizes.reduce((sum, size) => sum + size, 0)),
  )
  return [`${opened.length} tensors are stored as plain numbers, ${before} → ${after}: GGUF has no form for ${codecs}`]
}

/** What a format could not hold as it was; where rounding was asked for, how many tensors of each type came of it. */
export const notesOf = (store: object, { type }: FormatFlags): string[] => {
  const { report = [], notes = [] } = store as { readonly report?: readonly GgufReport[]; readonly notes?: readonly string[] }
  const others = report.filter(({ insteadOf }) => insteadOf !== undefined).map(insteadText)
  const rounded = report.filter(({ lossless }) => !lossless)
  if (type === undefined)
    return [
      ...decompressedText(report),
      ...rounded.map(({ name, type: stored }) => `${name} is stored as ${stored}, rounded`),
      ...others,
      ...notes,
    ]
  const again = report.filter(entry => entry.again).length
  return [
    `tensors: ${countsOf(report)}`,
    ...(again > 0 ? [`${again} tensors were rounded before and are now rounded a second time, to ${type}`] : []),
    ...decompressedText(report),
    ...others,
    ...notes,
  ]
}
