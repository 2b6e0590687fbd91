import { execFileSync } from 'node:child_process'
import { runWords as run } from './command.fixture.js'

it('completes commands, options, their words and names of steps in bash', async () => {
  const { out: script } = await run('completion', 'bash')
  const asked = (words: readonly string[]): string => {
    const list = words.map(word => `'${word}'`).join(' ')
    return `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; COMPREPLY=(); _tersor; echo "\${COMPREPLY[@]}"`
  }
  const completed = [
    [['tersor', 'me'], 'methods'],
    [['tersor', 'compress', 'm', '--calib'], '--calibrate'],
    [['tersor', 'compress', 'm', '--for', 'l'], 'llama.cpp'],
    [['tersor', 'compress', 'm', '--step', 'sparse'], 'sparse-gpt'],
    [['tersor', 'compress', 'm', '--out', 'nothing'], ''], // files, by the shell itself
  ] as const
  const lines = [script, ...completed.map(([words]) => asked(words))].join('\n')
  const answers = execFileSync('bash', ['-c', lines], { encoding: 'utf8' }).split('\n')
  expect(answers.slice(0, -1)).toEqual(completed.map(([, answer]) => answer))
})

it('writes scripts for zsh and fish', async () => {
  expect((await run('completion', 'zsh')).out).toMatch(/^autoload -U \+X bashcompinit && bashcompinit\n_tersor\(\) \{/)
  const { out } = await run('completion', 'fish')
  expect(out).toContain("complete -c tersor -n '__fish_seen_subcommand_from compress' -l for -x -a 'transformers.js llama.cpp vllm")
  for (const line of out.trimEnd().split('\n')) expect(line).toMatch(/^complete -c tersor -n /)
})

it('asks which shell is meant', async () => {
  const { code, err } = await run('completion', 'fis')
  expect(code).toBe(2)
  expect(err).toContain('Did you mean fish? Shells are bash, zsh, fish.')
})
