import { selectEngine } from '@tersor/kernels'
import { openGguf } from '@tersor/formats/gguf'
import { openModel } from '@tersor/models/open-model'
import { onnxRuntime } from '@tersor/onnx/internal/runtime'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import { compressModel } from 'tersor'
import { listen } from '../../packages/tersor/src/serve/listen.js'
import { openServed } from '../../packages/tersor/src/serve/served-models.js'
import { serverApp } from '../../packages/tersor/src/serve/server-app.js'
import { ROOT } from '../workspace.js'
import { buildPage, servePage } from './built-page.js'
import { CHROMIUM, HAS_CHROMIUM, peakMemory, startChromium } from './chromium.js'
import { writeChain } from './graphs.js'

const BUNDLED = join(ROOT, 'examples/bundled-model/model')
const MINUTES = 60_000
/** MB that a page may hold with a file of 100 MB. */
const MOST_MEMORY = 600

if (!HAS_CHROMIUM) console.log(`skipped: there is no Chromium at ${CHROMIUM}; install one, or name it with TERSOR_CHROMIUM`)
const suite = HAS_CHROMIUM ? describe : describe.skip

suite('the page in Chromium', () => {
  let folder = ''
  let browser: Browser
  let server: Awaited<ReturnType<typeof servePage>>
  beforeAll(async () => {
    await selectEngine()
    folder = await mkdtemp(join(tmpdir(), 'tersor-page-'))
    await buildPage()
    server = await servePage({ shared: true })
    browser = await startChromium()
  }, 5 * MINUTES)
  afterAll(async () => {
    await browser?.close()
    server?.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** Requests to anybody but the server that a page came from. */
  const strangers: string[] = []
  afterEach(() => expect(strangers).toEqual([]))

  /** A page whose requests are watched. */
  const openPage = async (address = server.address, options = {}): Promise<Page> => {
    const page = await browser.newPage({ viewport: { width: 1100, height: 900 }, ...options })
    const isOwn = (url: string): boolean => url.startsWith(address) || /^(data|blob):/.test(url)
    page.on('request', request => void (isOwn(request.url()) || strangers.push(request.url())))
    await page.goto(address)
    await page.waitForFunction(() => document.getElementById('engine')!.textContent !== 'Starting …')
    return page
  }
  const idle = (page: Page, selector: string) => page.waitForSelector(`body:not([data-busy]) ${selector}`, { timeout: 3 * MINUTES })
  const open = async (page: Page, input: '#files' | '#folder', path: string): Promise<void> => {
    await page.setInputFiles(input, path)
    await idle(page, '#choose:not([hidden])')
  }
  const compress = async (page: Page, target: string, bits: number): Promise<void> => {
    await page.selectOption('#target', target)
    await page.selectOption('#bits', String(bits))
    await page.click('#options button[type=submit]')
    await idle(page, '#result:not([hidden])')
    console.log(`${await page.textContent('#model-name')} for ${target}: ${await page.textContent('#sizes')}`)
  }
  const download = async (page: Page, name: string): Promise<string> => {
    const [got] = await Promise.all([page.waitForEvent('download'), page.click(`#downloads a[download="${name}"]`)])
    const path = join(folder, name)
    await got.saveAs(path)
    return path
  }
  const text = (page: Page, selector: string): Promise<string> => page.textContent(selector).then(found => found ?? '')

  it(
    'takes an ONNX graph and gives one that ONNX Runtime runs, here and in the page',
    async () => {
      const source = join(folder, 'chain.onnx')
      await writeChain(source, 256, 5)
      const page = await openPage()
      await open(page, '#files', source)
      expect(await text(page, '#model-facts')).toMatch(/327,680 weights · 1\.3 MB/)
      await compress(page, 'onnxruntime', 8)
      expect(await text(page, '#worst')).toMatch(/^Worst: .+ \d\.\de-\d/)
      expect(await page.locator('#chart li').count()).toBe(5)
      const [name] = await page.locator('#downloads a').allTextContents()
      const path = await download(page, name)
      expect((await stat(path)).size).toBeLessThan(0.3 * (await stat(source)).size)
      const x = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i))
      const input = { value: { name: 'x', dtype: 'float32', shape: [1, 256] }, shape: [1, 256], data: x }
      const run = async (at: string) => (await onnxRuntime.graph!(await import('onnxruntime-node'))(at, [input], ['y']))[0]
      const [before, after] = [await run(source), await run(path)]
      const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, each, i) => sum + each * b[i], 0)
      expect(dot(before, after) / Math.sqrt(dot(before, before) * dot(after, after))).toBeGreaterThan(0.999)
      await page.click('#run-outputs')
      await idle(page, '#outputs:not([hidden])')
      const [, , cosine] = await page.locator('#outputs td').allTextContents()
      expect(Number(cosine)).toBeGreaterThan(0.999)
      await page.close()
    },
    3 * MINUTES,
  )

  it(
    'takes a GGUF file and gives one, and continues a text with both',
    async () => {
      const source = join(folder, 'bundled.gguf')
      await compressModel({ model: BUNDLED, out: source, for: 'llama.cpp', bits: 16 })
      const page = await openPage()
      await open(page, '#files', source)
      await compress(page, 'llama.cpp', 4)
      const [name] = await page.locator('#downloads a').allTextContents()
      const path = await download(page, name)
      const onDisk = join(folder, 'on-disk.gguf')
      await compressModel({ model: source, out: onDisk, for: 'llama.cpp', bits: 4 })
      expect(new Uint8Array(await readFile(path))).toEqual(new Uint8Array(await readFile(onDisk)))
      const { metadata, params, close } = await openGguf(path)
      expect(metadata.get('general.file_type')?.value).toBe(15) // Q4_K_M
      expect(params.names()).toContain('model.layers.0.mlp.up_proj.weight')
      await close()
      await page.fill('#prompt', 'The king')
      await page.click('#prompt-form button')
      await idle(page, '#sides:not([hidden])')
      for (const side of ['#before', '#after']) expect(await text(page, side)).toMatch(/^The king.{20}/s)
      await page.close()
    },
    3 * MINUTES,
  )

  it(
    'takes a Hugging Face folder, learns from a text, and gives the files that transformers.js asks for',
    async () => {
      const page = await openPage()
      await open(page, '#folder', BUNDLED)
      const learned = join(folder, 'learned.txt')
      await writeFile(learned, (await readFile(join(BUNDLED, '../text/calibration.txt'), 'utf8')).slice(0, 20_000))
      await page.setInputFiles('#text', learned)
      await compress(page, 'transformers.js', 4)
      const names = await page.locator('#downloads a').allTextContents()
      expect(names.map(each => each.split('/').slice(1).join('/'))).toEqual(
        expect.arrayContaining(['config.json', 'onnx/model_q4.onnx', 'onnx/model_q4f16.onnx', 'tokenizer.json']),
      )
      const path = await download(page, 'model_q4.onnx')
      const model = await openModel(BUNDLED)
      if (model.family !== 'language') throw new Error(model.family)
      const ids = model.tokenizer!.encode('The king of France')
      const rows = await onnxRuntime.tokens!(await import('onnxruntime-node'))(path, ids, model.vocabularySize)
      expect(rows).toHaveLength(ids.length)
      expect(Array.from(rows[0]).every(Number.isFinite)).toBe(true)
      await model.close?.()
      await page.close()
    },
    3 * MINUTES,
  )

  it(
    `holds less than ${MOST_MEMORY} MB with a file of 100 MB`,
    async () => {
      const source = join(folder, 'large.onnx')
      await writeChain(source, 2240, 5)
      expect((await stat(source)).size).toBeGreaterThan(100e6)
      const own = await startChromium()
      const page = await own.newPage()
      await page.goto(server.address)
      const before = await peakMemory(own)
      await open(page, '#files', source)
      await compress(page, 'onnxruntime', 4)
      const peak = await peakMemory(own)
      const held = peak.renderer + (peak.browser - before.browser)
      console.log(
        `100 MB: the page held ${peak.renderer.toFixed(0)} MB at most, the browser ${(peak.browser - before.browser).toFixed(0)} MB more`,
      )
      expect(peak.renderer).toBeGreaterThan(50)
      expect(held).toBeLessThan(MOST_MEMORY)
      await own.close()
    },
    5 * MINUTES,
  )

  it(
    'takes files and folders that are dropped',
    async () => {
      const page = await openPage()
      const input = await page.context().newCDPSession(page)
      const drop = async (path: string, name: string): Promise<void> => {
        const data = { items: [], files: [path], dragOperationsMask: 1 }
        for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
          await input.send('Input.dispatchDragEvent', { type, x: 500, y: 300, data })
        await page.waitForFunction(wanted => document.getElementById('model-name')!.textContent === wanted, name)
      }
      await drop(BUNDLED, 'model')
      expect(await text(page, '#model-facts')).toBe('llama · 3.4 million weights · 6.8 MB')
      await writeChain(join(folder, 'dropped.onnx'), 32, 2)
      await drop(join(folder, 'dropped.onnx'), 'dropped.onnx')
      await page.close()
    },
    2 * MINUTES,
  )

  it(
    'stops when it is told to, leaves no result, and compresses the next time',
    async () => {
      const source = join(folder, 'stopped.onnx')
      await writeChain(source, 1024, 12)
      const page = await openPage()
      await open(page, '#files', source)
      await page.selectOption('#target', 'onnxruntime')
      await page.click('#options button[type=submit]')
      await page.waitForSelector('#chart li')
      await page.click('#stop')
      await idle(page, '#choose')
      expect([await page.isVisible('#result'), await page.isVisible('#failure')]).toEqual([false, false])
      await compress(page, 'onnxruntime', 16)
      expect(await page.locator('#downloads a').count()).toBe(1)
      await page.close()
    },
    3 * MINUTES,
  )

  it(
    'says in two lines what is no model and what is broken, and goes on',
    async () => {
      const page = await openPage()
      const fails = async (name: string, bytes: Uint8Array): Promise<readonly string[]> => {
        await writeFile(join(folder, name), bytes)
        await page.setInputFiles('#files', join(folder, name))
        await idle(page, '#failure:not([hidden])')
        return [await text(page, '#failure .what'), await text(page, '#failure .remedy')]
      }
      expect(await fails('cat.png', new Uint8Array([1, 2, 3]))).toEqual([
        'cat.png is no model that this page opens.',
        'Drop an .onnx or .gguf file, or a Hugging Face folder (config.json, model.safetensors, tokenizer.json).',
      ])
      for (const name of ['broken.gguf', 'broken.onnx'])
        for (const line of await fails(name, new Uint8Array(64).fill(255))) expect(line).toMatch(/\w.+\.$/)
      const whole = await readFile(join(folder, 'bundled.gguf'))
      expect((await fails('half.gguf', whole.subarray(0, whole.length / 2)))[0]).toMatch(/half\.gguf|end/)
      await writeChain(join(folder, 'small.onnx'), 32, 2)
      await open(page, '#files', join(folder, 'small.onnx'))
      expect(await page.isVisible('#failure')).toBe(false)
      await page.close()
    },
    2 * MINUTES,
  )

  it(
    'fits into wide and narrow windows, in light and in dark',
    async () => {
      const page = await openPage()
      await open(page, '#folder', BUNDLED)
      await compress(page, 'llama.cpp', 4)
      await page.fill('#prompt', 'The king of')
      await page.click('#prompt-form button')
      await idle(page, '#sides:not([hidden])')
      const wider: string[] = []
      for (const colorScheme of ['light', 'dark'] as const)
        for (const [name, width] of [
          ['wide', 1100],
          ['narrow', 390],
          ['narrowest', 320],
        ] as const) {
          await page.emulateMedia({ colorScheme })
          await page.setViewportSize({ width, height: 800 })
          if (await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)) wider.push(name)
          if (name === 'narrowest') continue
          const picture = await sharp(await page.screenshot({ fullPage: true }))
            .png({ palette: true })
            .toBuffer()
          expect(picture.length).toBeLessThan(150_000)
          if (process.env.TERSOR_PICTURES === '1') await writeFile(join(ROOT, `docs/pictures/browser-${colorScheme}-${name}.png`), picture)
        }
      expect(wider).toEqual([])
      await page.close()
    },
    3 * MINUTES,
  )

  it(
    'chats with two models of a server',
    async () => {
      const stop = new AbortController()
      const { signal } = stop
      const models = await openServed([BUNDLED, BUNDLED])
      const app = serverApp({ models, host: '127.0.0.1', page: join(ROOT, 'examples/browser/dist'), signal })
      let ended: Promise<void> | undefined
      const address = await new Promise<string>(resolve => (ended = listen(app, { port: 0, host: '127.0.0.1', signal }, resolve)))
      const page = await openPage(address)
      await page.waitForSelector('#chat:not([hidden])')
      await page.fill('#message', 'The king of')
      await page.click('#chat-form button')
      await page.waitForFunction(() => ['left', 'right'].every(side => document.getElementById(`${side}-text`)!.textContent!.length > 40))
      const [left, right] = [await text(page, '#left-text'), await text(page, '#right-text')]
      expect(left).toMatch(/^› The king of\n.{20}/s)
      expect(left.slice(0, 40)).toBe(right.slice(0, 40))
      expect([await text(page, '#left-name'), await text(page, '#right-name')]).toEqual(['model', 'model-2'])
      await page.close()
      stop.abort()
      await ended
      await models.close()
    },
    3 * MINUTES,
  )

  it(
    'runs on WebGPU where there is one',
    async () => {
      const own = await startChromium({ gpu: true })
      const page = await own.newPage()
      await page.goto(server.address)
      await page.waitForFunction(() => document.getElementById('engine')!.textContent !== 'Starting …', undefined, { timeout: MINUTES })
      expect(await text(page, '#engine')).toBe('WebGPU')
      const graph = join(folder, 'chain-on-webgpu.onnx')
      await writeChain(graph, 32, 2)
      await open(page, '#files', graph)
      await compress(page, 'onnxruntime', 4)
      await own.close()
    },
    3 * MINUTES,
  )

  it(
    'says that a page without shared memory runs on one thread, and compresses',
    async () => {
      const plain = await servePage({ shared: false })
      const page = await openPage(plain.address)
      expect(await text(page, '#engine')).toBe('WebAssembly on one thread: this browser shows no WebGPU, and the page has no shared memory')
      const graph = join(folder, 'chain-without-memory.onnx')
      await writeChain(graph, 32, 2)
      await open(page, '#files', graph)
      await compress(page, 'onnxruntime', 4)
      await page.close()
      plain.close()
    },
    2 * MINUTES,
  )
})
