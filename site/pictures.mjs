/**
 * Takes the pictures of docs/pictures again: what commands say on terminals of 60, 80 and 100 columns, the page of a report and the site, in light
 * and dark. `node site/pictures.mjs`, after `npm run site`; needs Chromium (TERSOR_CHROMIUM names it).
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { serve } from './serve.mjs'

const here = import.meta.dirname
const root = join(here, '..')
const pictures = join(root, 'docs/pictures')
const CHROMIUM = process.env['TERSOR_CHROMIUM'] ?? '/usr/bin/chromium'
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] // prettier-ignore
const WIDTHS = [60, 80, 100]
const SCHEMES = ['light', 'dark']

const folder = mkdtempSync(join(tmpdir(), 'tersor-pictures-'))
const bundled = join(root, 'examples/bundled-model')
cpSync(join(bundled, 'model'), join(folder, 'model'), { recursive: true })
for (const [name, from] of [
  ['train.txt', 'calibration.txt'],
  ['text.txt', 'validation.txt'],
])
  // prettier-ignore
  writeFileSync(join(folder, name), readFileSync(join(bundled, 'text', from), 'utf8').slice(0, 60_000))

/** What a command of two words or more says on a terminal so wide. */
const said = (command, columns) => {
  const env = { ...process.env, COLUMNS: String(columns), FORCE_COLOR: '1' }
  delete env.NO_COLOR
  const argv = command.match(/"[^"]*"|\S+/g).map(word => word.replace(/^"|"$/g, ''))
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(root, 'packages/tersor/bin/tersor.js'), ...argv, '--quiet'], { cwd: folder, env, encoding: 'utf8' }) // prettier-ignore
  if (status !== 0) throw new Error(stderr)
  return stdout.trimEnd()
}

/** What is made once, before anything is shown. */
const BEFORE = ['compress model --for llama.cpp --out small.gguf', 'compress model --for vllm --out small-vllm']
/** By the names of the pictures; `--overwrite` is what nobody has to see. */
const SHOWN = {
  compress: [
    'compress model --out small --calibrate train.txt --evaluate text.txt --step "gptq(bits=4, group=32)"',
    ' --overwrite --report report.html',
  ],
  compare: ['compare model small.gguf small-vllm --data text.txt --timed 0', ''],
  sweep: ['sweep model --data text.txt --step "rtn(bits=[2,3,4], group=[32,64])"', ' --tokens 4096'],
}

const COLOURS = { 1: 'b', 2: 'dim', 22: '', 31: 'red', 32: 'green', 33: 'yellow', 36: 'cyan', 39: '', 0: '' }
const escaped = text => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

const ESCAPE = new RegExp(`${String.fromCharCode(27)}\\[(\\d+)m`, 'g')

/** Text with its colours as HTML. */
const html = text => {
  let open = 0
  const marked = escaped(text).replace(ESCAPE, (_, code) => {
    const name = COLOURS[code]
    const closing = '</span>'.repeat(open)
    open = name ? 1 : 0
    return name ? `${closing}<span class="${name}">` : closing
  })
  return marked + '</span>'.repeat(open)
}

/** A command as one types it, cut where the terminal ends. */
const typed = (command, columns) => {
  const lines = ['$ tersor']
  for (const word of command.match(/"[^"]*"|\S+/g))
    if (`${lines.at(-1)} ${word}`.length > columns - 2) {
      lines[lines.length - 1] += ' \\'
      lines.push(`    ${word}`)
    } else lines[lines.length - 1] += ` ${word}`
  return lines.join('\n')
}

const STYLE = `body { margin: 0; background: #0d1117 } pre { display: inline-block; margin: 0; padding: 20px 24px; color: #e6edf3; background: #0d1117;
  font: 15px/1.45 "DejaVu Sans Mono", monospace } .b { font-weight: bold } .dim { color: #8b949e } .red { color: #ff7b72 } .green { color: #7ee787 }
  .yellow { color: #e3b341 } .cyan { color: #79c0ff }`

const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS })
mkdirSync(pictures, { recursive: true })

const terminals = async shown => {
  for (const command of BEFORE) said(command, 100)
  const page = await browser.newPage({ deviceScaleFactor: 1.5 })
  for (const [name, [command, more]] of shown)
    for (const columns of WIDTHS) {
      const text = `${escaped(typed(command, columns))}\n${html(said(command + more, columns))}`
      const style = `${STYLE} pre { width: ${columns}ch }`
      await page.setContent(`<style>${style}</style><pre>${text}</pre>`)
      await page.locator('pre').screenshot({ path: join(pictures, `${name}-${columns}.png`) })
    }
  await page.close()
}

const ofPage = async (name, url, height) => {
  for (const colorScheme of SCHEMES) {
    const page = await browser.newPage({ colorScheme, viewport: { width: 1200, height } })
    await page.goto(url, { waitUntil: 'networkidle' })
    await page.screenshot({ path: join(pictures, `${name}-${colorScheme}.png`) })
    await page.close()
  }
}

const chosen = process.argv.slice(2)
const wants = name => chosen.length === 0 || chosen.includes(name)
try {
  // the report is that of the run that `compress` shows
  const shown = Object.entries(SHOWN).filter(([name]) => wants(name))
  if (shown.length > 0) await terminals(shown)
  if (wants('compress')) await ofPage('report', `file://${join(folder, 'report.html')}`, 1000)
  if (wants('site')) {
    const site = await serve(join(here, 'dist'))
    await ofPage('site', site.url, 900)
    await ofPage('recipes', `${site.url}recipes`, 900)
    await ofPage('guide', `${site.url}guides/transformers.js`, 820)
    site.close()
  }
} finally {
  await browser.close()
  rmSync(folder, { recursive: true })
}
console.log(execFileSync('ls', ['-l', pictures], { encoding: 'utf8' }))
