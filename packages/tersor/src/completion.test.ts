import { execFileSync } from 'node:child_process'
import { runWords as run } from './command.fixture.js'

it('completes commands, options, their words and names of steps in bash', async () => {
  const { out: script } = await run('completion', 'bash')
  const completed = (...words: string[]): string[] => {
    const list = words.map(word => `'${word}'`).join(' ')
    const asked = `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _tersor; echo "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', `${script}\n${asked}`], { encoding: 'utf8' })
      .trim()
      .split(' ')
  }
  expect(completed('tersor', 'me')).toEqual(['methods'])
  expect(completed('tersor', 'compress', 'm', '--calib')).toEqual(['--calibrate'])
  expect(completed('tersor', 'compress', 'm', '--for', 'l')).toEqual(['llama.cpp'])
  expect(completed('tersor', 'compress', 'm', '--step', 'sparse')).toEqual(['sparse-gpt'])
  expect(completed('tersor', 'compress', 'm', '--out', 'nothing')).toEqual(['']) // files, by the shell itself
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
