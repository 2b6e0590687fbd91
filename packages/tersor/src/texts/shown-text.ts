import { oneLine } from '@tersor/tensor'

/** More than a line of a terminal holds. */
const MOST = 200
/** Less than this says nothing. */
const FEWEST = 16

/** The beginning of a text as one line. */
export const shownText = (text: string): string =>
  oneLine(
    text
      .slice(0, 4 * MOST)
      .replace(/\s+/g, ' ')
      .trim(),
    MOST,
  )

/** A line that fits into a width: what was read, and of the first of it what there is room for, below where there is little. */
export const firstIn = (told: string, first: string | undefined, width: number): string => {
  if (first === undefined) return told
  const room = width - told.length - 2 // colon and space
  const [joint, most] = room >= FEWEST ? [': ', room] : ['\n  ', width - 2]
  const characters = [...first]
  return `${told}${joint}${characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : first}`
}
