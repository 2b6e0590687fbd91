import { boolean, choice, integer, optional, type Grid, type Site } from '@tersor/core'

export type { Grid }

/** The options that every method on a regular grid takes. */
export const gridOptions = {
  bits: integer({ min: 1, max: 8, default: 4, doc: 'bits of a code' }),
  symmetric: boolean({ default: true, doc: 'whether zero is the middle code; otherwise each group stores its own zero' }),
  granularity: choice(['tensor', 'row', 'group'], { default: 'group', doc: 'weights that share a scale' }),
  group: optional(integer({ min: 1, doc: 'columns that share a scale when granularity is group; 128 where absent' })),
}

const DEFAULT_GROUP = 128

interface GridValues {
  readonly bits: number
  readonly symmetric: boolean
  readonly granularity: 'tensor' | 'row' | 'group'
  readonly group: number | undefined
}

/** The grid of a matrix with so many columns; groups are whole rows where the site's format holds no others. */
export const gridOf = ({ bits, symmetric, granularity, group }: GridValues, columns: number, site?: Pick<Site, 'rowsOnly'>): Grid => ({
  bits,
  symmetric,
  group: granularity === 'group' && !site?.rowsOnly ? Math.min(group ?? DEFAULT_GROUP, columns) : columns,
  joint: granularity === 'tensor',
})

/** Refuses `group` where it would be ignored. */
export const checkGrid = ({ granularity, group }: GridValues): readonly [string, string] | undefined =>
  granularity !== 'group' && group !== undefined
    ? [`group = ${group} has no meaning when granularity is ${granularity}.`, 'Leave one of the two out.']
    : undefined
