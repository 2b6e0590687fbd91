/** The element of the page with this id; the page is written with all of them. */
export const element = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T

/** Shows or hides parts of the page. */
export const show = (id: string, shown: boolean): void => {
  element(id).hidden = !shown
}

/** A new element with a text. */
export const made = <K extends keyof HTMLElementTagNameMap>(tag: K, text = '', fields: Partial<HTMLElementTagNameMap[K]> = {}) =>
  Object.assign(document.createElement(tag), { textContent: text, ...fields })

/** Puts choices into a list. */
export const fill = (id: string, choices: readonly string[], chosen: string | undefined): void => {
  const select = element<HTMLSelectElement>(id)
  select.replaceChildren(...choices.map(choice => made('option', choice, { value: choice })))
  if (chosen !== undefined) select.value = chosen
}
