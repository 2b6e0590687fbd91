import type { Command } from 'commander'
import { COMPLETIONS, type CommandLine } from '../completion.js'
import { listMethods } from '../methods.js'
import type { Terminal } from '../output.js'

/** Options whose values are calls, by the kinds that may stand there. */
const CALLS: Readonly<Record<string, readonly string[]>> = { '--step': ['method', 'pass'], '--cache': ['policy', 'rewrite', 'encoding'] }

const namesOf = (kinds: readonly string[]): readonly string[] =>
  listMethods()
    .map(({ factory }) => factory.description)
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ name }) => name)

/** What a program may be told. */
const linesOf = (program: Command): readonly CommandLine[] =>
  program.commands.map(command => ({
    name: command.name(),
    is: command.description(),
    options: command.options.map(({ long, description, required, argChoices }) => ({
      long: long!,
      is: description,
      takes: required,
      words: argChoices ?? (CALLS[long!] ? namesOf(CALLS[long!]) : []),
    })),
  }))

/** `tersor completion SHELL`: a script that makes a shell complete commands, options and their words. */
export const completion = (terminal: Terminal, shell: string, program: Command): void => {
  terminal.out.write(COMPLETIONS[shell](linesOf(program)))
}
