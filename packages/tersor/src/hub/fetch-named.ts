import { CommanderError, type Command } from 'commander'
import type { Declaring } from '../declared/comparisons.js'

/** Before a command runs, puts copies in the place of what it names on the hub; `codeOf` tells whether that failed, which is said by then. */
export const fetchNamed = (program: Command, run: Declaring['run'], codeOf: () => number): void => {
  program.hook('preAction', async (_program, command) => {
    const typed = [command.processedArgs, Object.values(command.opts())].flat(2)
    if (!typed.some(value => typeof value === 'string' && value.startsWith('hf:'))) return
    await run(async (terminal, signal) => {
      const { withLocalCopies } = await import('./hub-arguments.js')
      const { args, options, names } = await withLocalCopies(terminal, signal, { args: command.processedArgs, options: command.opts() })
      command.processedArgs.splice(0, command.processedArgs.length, ...(args as unknown[]))
      for (const [name, value] of Object.entries(options)) command.setOptionValueWithSource(name, value, 'cli')
      command.setOptionValue('hubNames', names)
    }, command.opts())
    if (codeOf() !== 0) throw new CommanderError(codeOf(), 'tersor.hub', '')
  })
}
