import { note, paint, type Terminal } from './output.js'
import type { Progress } from './progress.js'
import type { TrialsHearing } from './tried-model.js'

/** Shows which pipeline is tried now: "sweep, 2 of 6" beside a bar, and elsewhere a line for each with its steps. */
export const trialsProgress = (terminal: Terminal, { advance }: Progress, what: string): Omit<TrialsHearing, 'signal'> => {
  let [done, of, label] = [0, 1, '']
  return {
    onProgress: () => advance(done, of, label),
    onAdvance: (now, all, steps) => {
      ;[done, of, label] = [now, all, `${what}, ${now + 1} of ${all}`]
      advance(now, all, label)
      if (terminal.err.isTTY !== true) note(terminal, paint(terminal, `${now + 1} of ${all}: ${steps}`, 'dim'))
    },
  }
}
