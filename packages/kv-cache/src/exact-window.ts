import { integer } from '@tersor/core'

/** Options of encodings: what stays exact, and how many entries leave at once. */
export const exactOptions = (defaults: { readonly recent: number; readonly block: number }) => ({
  recent: integer({ min: 1, default: defaults.recent, doc: 'newest entries of each head that stay exact' }),
  block: integer({ min: 1, default: defaults.block, doc: 'entries beyond those that leave at once; a prompt is attended to exactly and leaves as a whole' }), // prettier-ignore
})

/** Scales of channels go over as many entries as leave at once where those are fewer. */
export const refusedGroup = (group: number, block: number): readonly [what: string, remedy: string] | undefined =>
  block % group === 0
    ? undefined
    : [`blocks of ${block} entries are no multiple of the ${group} that share a scale.`, `Pass block: ${Math.ceil(block / group) * group}.`]
