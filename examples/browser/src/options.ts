import { bytesText, type TargetName } from 'tersor/browser'
import { element, fill, show } from './elements.js'
import type { ModelFacts } from './messages.js'

/** What the form says. */
export interface Chosen {
  readonly target: TargetName
  readonly bits: number
  readonly text: File | undefined
}

const millions = (count: number): string => (count >= 1e6 ? `${(count / 1e6).toFixed(1)} million` : count.toLocaleString('en'))

/** Shows what was opened, and the runtimes that it can be made for; calls back when the form is sent. */
export const offerOptions = (facts: ModelFacts, start: (chosen: Chosen) => void): void => {
  const { name, architecture, parameters, bytes, targets, compares } = facts
  element('model-name').textContent = name
  element('model-facts').textContent = `${architecture} · ${millions(parameters)} weights · ${bytesText(bytes)}`
  const target = element<HTMLSelectElement>('target')
  const offerBits = (): void => {
    const { bits, usual } = targets.find(each => each.name === target.value) ?? targets[0]
    fill('bits', bits.map(String), String(usual))
  }
  fill('target', targets.map(each => each.name), targets[0]?.name) // prettier-ignore
  target.onchange = offerBits
  if (targets.length > 0) offerBits()
  show('text-choice', compares === 'text')
  element<HTMLFormElement>('options').onsubmit = event => {
    event.preventDefault()
    const text = compares === 'text' ? element<HTMLInputElement>('text').files?.[0] : undefined
    start({ target: target.value as TargetName, bits: Number(element<HTMLSelectElement>('bits').value), text })
  }
  show('choose', true)
}
