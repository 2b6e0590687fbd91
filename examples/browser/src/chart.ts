import { element, made, show } from './elements.js'

/** Errors from here to 1 fill the height of the chart. */
const LEAST = 1e-6
const WORST = 3

const heightOf = (error: number): number => Math.max(2, 100 * (1 - Math.log10(Math.max(error, LEAST)) / Math.log10(LEAST)))

const errors = new Map<string, number>()

/** Empties the chart for a new run. */
export const clearChart = (): void => {
  errors.clear()
  element('chart').replaceChildren()
  element('worst').textContent = ''
  show('errors', false)
}

/** Adds the bar of a layer, and marks the worst ones. */
export const addLayer = (layer: string, error: number): void => {
  errors.set(layer, error)
  show('errors', true)
  const bar = made('li', '', { title: `${layer}: ${error.toExponential(1)}` })
  bar.style.height = `${Math.min(100, heightOf(error))}%`
  element('chart').append(bar)
  const worst = [...errors].sort(([, a], [, b]) => b - a).slice(0, WORST)
  const least = worst.at(-1)![1]
  ;[...errors.values()].forEach((each, i) => element('chart').children[i].classList.toggle('worst', errors.size > WORST && each >= least))
  element('worst').textContent = `Worst: ${worst.map(([name, each]) => `${name} ${each.toExponential(1)}`).join(', ')}`
}
