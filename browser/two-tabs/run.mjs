/** Two tabs of one Chromium train together through a BroadcastChannel: the same weights in both, and as many bytes each way. */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright'
import { createServer } from 'vite'

const at = path => fileURLToPath(new URL(path, import.meta.url))

export const twoTabs = async executablePath => {
  const server = await createServer({
    ...{ root: at('.'), configFile: false, logLevel: 'warn', server: { port: 0, fs: { allow: [at('../..')] } } },
    resolve: { conditions: ['@tersor/source', 'browser', 'module', 'import', 'default'], dedupe: ['@tensorflow/tfjs-core'] },
    optimizeDeps: { include: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgpu', 'valibot', 'seedrandom'] },
  })
  await server.listen()
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--enable-unsafe-webgpu', '--disable-background-networking'],
  })
  try {
    const context = await browser.newContext()
    const told = await Promise.all(
      [0, 1].map(async rank => {
        const page = await context.newPage()
        page.on('pageerror', error => console.error(`tab ${rank}: ${error.message}`))
        await page.goto(`${server.resolvedUrls.local[0]}?rank=${rank}`)
        await page.waitForFunction(() => 'trained' in globalThis)
        return page.evaluate(() => globalThis.trained)
      }),
    )
    const [one, other] = told
    deepStrictEqual(other, one)
    ok(one.engine === 'webgpu', `The tabs ran on ${one.engine}.`)
    ok(one.sent === one.received && one.sent > 0, `${one.sent} bytes were sent and ${one.received} received.`)
    ok(one.losses.at(-1) < one.losses[0], `Losses: ${one.losses.join(', ')}.`)
    console.log(
      `two tabs on ${one.engine}: the same bytes of ${Object.keys(one.weights).length} weights, ${one.sent} bytes each way, ` +
        `loss ${one.losses[0].toFixed(3)} -> ${one.losses.at(-1).toFixed(3)}`,
    )
  } finally {
    await browser.close()
    await server.close()
  }
}
