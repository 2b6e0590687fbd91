/** Letters of one operand; an ellipsis stands for axes before. */
const TERM = /^(\.\.\.)?[a-zA-Z]+$/

/**
 * Where the outputs stand in the matrix of a product that an equation writes, such as 1 in "bi,io->bo" or 0 in "...i,oi->...o";
 * undefined for equations that are no product of rows with a matrix.
 */
export const outAxisOfEinsum = (equation: string): 0 | 1 | undefined => {
  const [operands, result, ...rest] = equation.replace(/\s/g, '').split('->')
  const [x, weight, ...more] = operands.split(',')
  if (result === undefined || rest.length > 0 || more.length > 0 || ![x, weight, result].every(term => TERM.test(term ?? '')))
    return undefined
  if (!/^[a-zA-Z]{2}$/.test(weight) || new Set(x).size < x.replace('...', '.').length) return undefined
  const inner = x[x.length - 1]
  const outer = weight.replace(inner, '')
  if (outer.length !== 1 || x.includes(outer) || result !== x.slice(0, -1) + outer) return undefined
  return weight[0] === outer ? 0 : 1
}
