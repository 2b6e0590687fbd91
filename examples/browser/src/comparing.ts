import { element, made, show } from './elements.js'
import type { ModelFacts, OutputDifference } from './messages.js'

/** Tokens that both models continue a text by. */
const TOKENS = 48

/** Offers what can be compared of a model: a text that both continue, or outputs of both. */
export const offerComparison = ({ compares }: ModelFacts, ask: { texts(prompt: string, tokens: number): void; outputs(): void }): void => {
  show('compare', compares !== undefined)
  show('prompt-form', compares === 'text')
  show('run-outputs', compares === 'outputs')
  show('sides', false)
  show('outputs', false)
  element<HTMLFormElement>('prompt-form').onsubmit = event => {
    event.preventDefault()
    const { value } = element<HTMLInputElement>('prompt')
    for (const side of ['before', 'after']) element(side).textContent = value
    show('sides', true)
    ask.texts(value, TOKENS)
  }
  element('run-outputs').onclick = () => ask.outputs()
}

/** Adds what a model continued. */
export const addPiece = (side: 'before' | 'after', text: string): void => element(side).append(text)

/** Shows how far outputs are apart. */
export const showOutputs = (outputs: readonly OutputDifference[]): void => {
  const rows = outputs.map(({ name, shape, cosine, largest }) => {
    const row = made('tr')
    row.append(...[name, shape.join(' × '), cosine.toFixed(5), `${(100 * largest).toFixed(2)} %`].map(text => made('td', text)))
    return row
  })
  element('outputs')
    .querySelector('tbody')!
    .replaceChildren(...rows)
  show('outputs', true)
}
