/** Gives what makes work wait for the work before: an engine computes for one at a time. What is aborted meanwhile is never begun. */
export const oneAtATime = () => {
  let last: Promise<unknown> = Promise.resolve()
  return <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
    const result = last.then(() => {
      signal.throwIfAborted()
      return work()
    })
    last = result.catch(() => {})
    return result
  }
}
