import type { Command } from 'commander'
import {
  bitsOption,
  calibrateOption,
  collect,
  dtypeOption,
  formatOption,
  forOption,
  MODEL,
  shellName,
  SHELLS,
  TYPE,
} from './command-options.js'
import type { PlanFlags } from './commands/plan.js'
import type { Terminal } from './output.js'

/** Does the work of a command and says what comes of it. */
export type Run = (work: (terminal: Terminal, signal: AbortSignal) => Promise<void> | void, flags: Record<string, unknown>) => Promise<void>

/** Adds `plan`. */
export const addPlan = (command: Command, run: Run): void => {
  command
    .description('says what compress would do with the same options: who gets what, sizes and memory; reads no weight')
    .argument('[model]', `${MODEL}; that of the config where absent`)
    .addOption(forOption())
    .addOption(bitsOption())
    .option('--step <call>', 'as for compress', collect, [])
    .option('--config <file>', 'as for compress')
    .addOption(calibrateOption().default([]))
    .option('--out <path>', 'its end says the format', '')
    .addOption(formatOption())
    .option('--type <type>', TYPE)
    .addOption(dtypeOption('what plain weights become'))
    .action((model: string | undefined, flags: PlanFlags & Record<string, unknown>, own: Command) => {
      const isTyped = (flag: string): boolean => own.getOptionValueSource(flag) === 'cli'
      return run(async terminal => (await import('./commands/plan.js')).plan(terminal, model, flags, isTyped), flags)
    })
}

/** Adds `methods` and `completion`. */
export const addLists = (methods: Command, completion: Command, run: Run, program: Command): void => {
  methods
    .description('lists every step and policy; with a name, its options, their ranges and an example')
    .argument('[name]', 'a step or policy, such as gptq')
    .action((name: string | undefined, flags) =>
      run(async terminal => (await import('./commands/methods.js')).methods(terminal, name), flags),
    )
  completion
    .description('writes a script that makes a shell complete what is typed: source it in the profile of the shell')
    .argument('<shell>', SHELLS.join(', '), shellName)
    .action((shell: string, flags) =>
      run(async terminal => (await import('./commands/completion.js')).completion(terminal, shell, program), flags),
    )
}
