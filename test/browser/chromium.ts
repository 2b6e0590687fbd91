import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { chromium, type Browser } from 'playwright-core'

/** Where Chromium stands. */
export const CHROMIUM = process.env.TERSOR_CHROMIUM ?? '/usr/bin/chromium'
export const HAS_CHROMIUM = existsSync(CHROMIUM)

const QUIET = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run', '--disable-background-networking']

/** Starts it in a fresh profile; with `gpu`, WebGPU by SwiftShader. */
export const startChromium = ({ gpu = false } = {}): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: [...QUIET, '--disable-component-update', '--disable-sync', ...(gpu ? ['--enable-unsafe-webgpu'] : ['--disable-gpu'])],
  })

interface Process {
  readonly id: number
  readonly type: string
}

/**
 * The most memory that the browser and each process of pages ever held, in MB: VmHWM of Linux, less the pages of Chromium's own files, which
 * all of its processes share.
 */
export const peakMemory = async (browser: Browser): Promise<{ readonly browser: number; readonly renderer: number }> => {
  const session = await browser.newBrowserCDPSession()
  const { processInfo } = (await session.send('SystemInfo.getProcessInfo')) as { processInfo: readonly Process[] }
  const peakOf = async ({ id }: Process): Promise<number> => {
    const status = await readFile(`/proc/${id}/status`, 'utf8').catch(() => '')
    const valueOf = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) / 1024
    return valueOf('VmHWM') - valueOf('RssFile')
  }
  const peaks = async (type: string): Promise<number> =>
    Math.max(0, ...(await Promise.all(processInfo.filter(each => each.type === type).map(peakOf))))
  return { browser: await peaks('browser'), renderer: await peaks('renderer') }
}
