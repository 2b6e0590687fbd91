/** How much of the end of a text may be the beginning of a stop. */
const heldBack = (text: string, stops: readonly string[]): number => {
  let most = 0
  for (const stop of stops)
    for (let length = Math.min(stop.length - 1, text.length); length > most; length--)
      if (stop.startsWith(text.slice(-length))) most = length
  return most
}

/** Where the first of the stops begins; −1 where none does. */
const firstStop = (text: string, stops: readonly string[]): number => {
  const found = stops.map(stop => text.indexOf(stop)).filter(at => at >= 0)
  return found.length > 0 ? Math.min(...found) : -1
}

/** Hands on a text piece by piece up to the first of the stops, which is left out; gives whether there was one. What may yet become a stop waits. */
export async function* untilStop(pieces: AsyncIterable<string>, stops: readonly string[]): AsyncGenerator<string, boolean> {
  let waiting = ''
  for await (const piece of pieces) {
    waiting += piece
    const at = firstStop(waiting, stops)
    if (at >= 0) {
      if (at > 0) yield waiting.slice(0, at)
      return true
    }
    const ready = waiting.length - heldBack(waiting, stops)
    if (ready > 0) yield waiting.slice(0, ready)
    waiting = waiting.slice(ready)
  }
  if (waiting !== '') yield waiting
  return false
}
