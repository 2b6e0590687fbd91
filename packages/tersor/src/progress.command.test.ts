import { picoLlama } from '@tersor/models'
import { setTimeout } from 'node:timers/promises'
import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import type { Terminal } from './output.js'
import { durationText, progressOn } from './progress.js'
import { untilInterrupted } from './until-interrupted.js'

const terminalOf = (isTTY: boolean, columns = 80) => {
  const said: string[] = []
  const stream = () =>
    Object.assign(new Writable({ write: (chunk, _encoding, done) => (said.push(String(chunk)), done()) }), { isTTY, columns })
  const terminal: Terminal = { out: stream(), err: stream(), json: false, quiet: false, debug: false, colors: false }
  return { terminal, said }
}

const [stages, index] = [picoLlama({ layers: 2 }), 1]
const stage = stages.stages[index]
const begin = { type: 'stage', pass: 'gptq', stage: stage.name, index, of: 4 } as const
const compressed = (site: string) => ({ type: 'compressed', pass: 'gptq', site, before: 2, after: 1, error: 0.1 }) as const

it('moves within a layer, with percent and time left, and fits the terminal', async () => {
  for (const columns of [60, 80, 100]) {
    const { terminal, said } = terminalOf(true, columns)
    const progress = progressOn(terminal)
    progress.expect(stages, 2)
    progress.onProgress({ type: 'pass', pass: 'gptq', index: 0, of: 2 })
    progress.onProgress(begin)
    for (const { name } of stage.sites) {
      progress.onProgress(compressed(name))
      await setTimeout(110) // a bar is drawn ten times a second
    }
    progress.stop()
    const lines = said.map(text => stripVTControlCharacters(text)).filter(text => text.includes('%'))
    const percents = lines.map(line => Number(/(\d+) %/.exec(line)![1]))
    expect(new Set(percents).size).toBeGreaterThan(3) // 25, 28, 32 … of one layer of four
    expect([...percents].sort((a, b) => a - b)).toEqual(percents)
    expect(percents.at(-1)).toBeLessThan(50)
    expect(lines.some(line => line.includes('left'))).toBe(true)
    expect(lines.every(line => line.length < columns && line.includes('gptq (1 of 2)'))).toBe(true)
  }
})

it('writes a line a stage where there is no terminal, and each warning once with its places', () => {
  const { terminal, said } = terminalOf(false, 60)
  const progress = progressOn(terminal)
  progress.onProgress({ type: 'pass', pass: 'gptq', index: 0, of: 1 })
  progress.onProgress(begin)
  for (const site of ['a', 'b', 'c', 'd']) progress.onProgress({ type: 'warning', pass: 'gptq', site, message: 'few samples' })
  progress.stop()
  expect(said).toEqual([`gptq: ${stage.name}, 2 of 4\n`, 'warning a, b, c and 1 other: few samples\n'])
})

it('says a time as people do', () => {
  expect([4.4, 65, 3725].map(durationText)).toEqual(['4 s', '1 min 5 s', '1 h 2 min'])
})

it('answers Ctrl-C at once and stops the work', async () => {
  const said: string[] = []
  const stopped = untilInterrupted(
    text => said.push(text),
    signal =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
        process.emit('SIGINT')
        expect(said.join('')).toContain('Stopping …')
      }),
  )
  await expect(stopped).rejects.toThrow('Interrupted.')
  expect(process.listenerCount('SIGINT')).toBe(0)
})
