/** What a shell completes: the commands, their options and the words that options take. */
export interface CommandLine {
  readonly name: string
  readonly is: string
  readonly options: readonly OptionLine[]
}

interface OptionLine {
  readonly long: string
  readonly is: string
  /** Whether something follows it. */
  readonly takes: boolean
  /** What may follow it; files where empty. */
  readonly words: readonly string[]
}

const bashCase = ({ name, options }: CommandLine): readonly string[] =>
  options.filter(({ words }) => words.length > 0).map(({ long, words }) => `    ${name}:${long}) words=${quoted(words.join(' '))} ;;`)

/** In single quotes, as shells read it. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const bash = (commands: readonly CommandLine[]): string => `_tersor() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}" words=""
  case "$command:$before" in
${commands.flatMap(bashCase).join('\n')}
    *)
      case "$command" in
${commands.map(({ name, options }) => `        ${name}) words=${quoted(options.map(({ long }) => long).join(' '))} ;;`).join('\n')}
      esac
      ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words=${quoted(commands.map(({ name }) => name).join(' '))}; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _tersor tersor
`

const fishOption = (command: string, { long, is, takes, words }: OptionLine): string => {
  const given = words.length > 0 ? ` -x -a ${quoted(words.join(' '))}` : takes ? ' -r' : ''
  return `complete -c tersor -n '__fish_seen_subcommand_from ${command}' -l ${long.slice(2)}${given} -d ${quoted(is)}`
}

const fish = (commands: readonly CommandLine[]): string =>
  commands
    .flatMap(({ name, is, options }) => [
      `complete -c tersor -n __fish_use_subcommand -a ${name} -d ${quoted(is)}`,
      ...options.map(option => fishOption(name, option)),
    ])
    .map(line => `${line}\n`)
    .join('')

/** Scripts by shell; that of zsh is bash's, which it reads. */
export const COMPLETIONS: Readonly<Record<string, (commands: readonly CommandLine[]) => string>> = {
  bash,
  zsh: commands => `autoload -U +X bashcompinit && bashcompinit\n${bash(commands)}`,
  fish,
}
