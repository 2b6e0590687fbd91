import type { CompressionResult, Share } from './compression-result.js'
import { leftText } from './compression-result.js'
import type { Measures } from './measures.js'
import { cutText } from './network-cut.js'
import { bytesText, paint, type Terminal } from './output.js'
import { quoted } from './shell-text.js'
import { chosenText } from './step-text.js'
import { tableOf, inLines } from './table.js'
import { verificationText, type Verification } from './verify.js'

const WORST = 3

/** Bits a weight say nothing of a few weights: there it is headers that count. */
const restText = (rest: Share, compressed: Share): string =>
  100 * rest.weights < compressed.weights ? bytesText(rest.bytes) : shareText(rest)

const shareText = ({ bitsPerWeight, bytes }: Share): string => `${bitsPerWeight.toFixed(2)} bits (${bytesText(bytes)})`

/** What numbers of a model are called and how they are written. */
const MEASURES: Readonly<Record<keyof Measures, readonly [name: string, text: (value: number) => string]>> = {
  perplexity: ['perplexity', value => value.toPrecision(4)],
  kl: ['divergence', value => `${value.toPrecision(2)} nats`],
  flips: ['flips', value => `${(100 * value).toFixed(1)} % of tokens`],
  top1: ['right', value => `${(100 * value).toFixed(1)} %`],
  agreement: ['same answer', value => `${(100 * value).toFixed(1)} %`],
  cosine: ['cosine', value => value.toFixed(4)],
}

/** Numbers before and after in one line, and those that only a comparison has. */
const qualityText = ({ quality }: CompressionResult): string | undefined => {
  if (!quality) return undefined
  const { before, after, data, learned } = quality
  const parts = (Object.keys(MEASURES) as (keyof Measures)[]).flatMap(key => {
    const [name, text] = MEASURES[key]
    const [from, to] = [before[key], after[key]]
    if (to === undefined) return []
    return [from === undefined ? `${name} ${text(to)}` : `${name} ${text(from)} → ${text(to)}`]
  })
  return `${parts.join(', ')} on ${learned ? 'a text that it learned from, ' : ''}${data}`
}

/** The three worst layers in one line each. */
const worstLines = (terminal: Terminal, { layers }: CompressionResult): readonly string[] =>
  [...layers]
    .sort((a, b) => b.error - a.error)
    .slice(0, WORST)
    .map(({ layer, error }) => inLines(terminal, `  ${error.toExponential(2)}  ${layer}`))

/** What one would type next. */
const nextCommand = ({ source, out, quality }: CompressionResult): string =>
  quality && !quality.learned
    ? `tersor generate ${quoted(out)} --prompt "Once upon a time"`
    : `tersor compare ${quoted(source)} ${quoted(out)} --data FILE`

/** What a run looks like on a terminal. */
export const screenOf = (terminal: Terminal, result: CompressionResult & { readonly verification?: Verification }): string => {
  const { steps, out, bytesBefore, bytesAfter, timesSmaller, bitsPerWeight, seconds, compressed, rest, left, notes, verification } = result
  const rows = steps.map(({ method, options, sites, error }) => [
    paint(terminal, method, 'cyan'),
    chosenText(method, options),
    sites,
    error?.toExponential(2) ?? '',
  ])
  const line = (text: string | undefined): readonly string[] => (text === undefined ? [] : [inLines(terminal, text)])
  const times = bytesAfter < bytesBefore ? `${timesSmaller.toFixed(1)} times smaller` : 'not smaller'
  const worst = worstLines(terminal, result)
  return [
    ...(rows.length === 0 ? [] : [tableOf(terminal, ['step', 'options', 'sites', 'error'], rows, [2, 3]), '']),
    inLines(
      terminal,
      `${paint(terminal, out, 'bold')}  ${bytesText(bytesBefore)} → ${bytesText(bytesAfter)}  ${paint(terminal, times, 'green')}  ${bitsPerWeight.toFixed(2)} bits/weight  ${seconds.toFixed(1)} s`,
    ),
    ...line(result.cut && cutText(result.cut)),
    ...(compressed.weights > 0
      ? line(`bits a weight: ${shareText(compressed)} in compressed layers, ${restText(rest, compressed)} in the rest`)
      : []),
    ...line(qualityText(result)),
    ...(worst.length > 0 ? ['largest errors:', ...worst] : []),
    ...notes.flatMap(line),
    ...left.map(leftText).flatMap(line),
    ...(verification ? line(verificationText(verification)) : []),
    ...line(paint(terminal, `next: ${nextCommand(result)}`, 'dim')),
  ].join('\n')
}
