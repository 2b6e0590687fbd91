import { mean, shown, type Claim, type Measured } from './claim.js'

const HEAD = ['claim', 'measured', '', 'seeds', 'minutes', 'load', 'UTC']

/** The mean, and the range where there are several seeds. */
const told = (values: readonly number[], digits: number): string => {
  if (values.length === 1) return shown(mean(values), digits)
  return `${shown(mean(values), digits)} (${shown(Math.min(...values), digits)} to ${shown(Math.max(...values), digits)})`
}

const measuredIn = ({ figures }: Claim, { sides }: Measured): string =>
  sides
    .map(({ name, figures: found }) => {
      const each = Object.entries(found).map(([figure, values]) => `${figure} ${told(values, figures[figure].digits)}`)
      return `${name}: ${each.join(', ')}`
    })
    .join('<br>')

const outcome = ({ failing }: Claim, { verdicts }: Measured): string =>
  verdicts.every(verdict => verdict.startsWith('holds')) ? 'holds' : failing === undefined ? 'FAILS' : `does not hold: ${failing}`

/** Every claim that was measured, in Markdown. */
export const tableOf = (claims: readonly Claim[], measured: readonly Measured[]): string => {
  const rows = claims.flatMap(claim => {
    const found = measured.find(({ name }) => name === claim.name)
    if (!found) return []
    const { seeds, minutes, load, date } = found
    const cells = [`${claim.says} (\`${claim.name}\`)`, measuredIn(claim, found), outcome(claim, found)]
    return [[...cells, seeds.join(', '), minutes.toFixed(1), load.toFixed(1), date.slice(0, 16).replace('T', ' ')]]
  })
  const lines = [HEAD, HEAD.map(() => '---'), ...rows]
  return lines.map(cells => `| ${cells.join(' | ')} |`).join('\n')
}
