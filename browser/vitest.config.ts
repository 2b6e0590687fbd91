import { defineConfig } from 'vitest/config'

/** The tests run as Jest runs them, from sources, but in Chromium and on WebGPU: `useEngine` takes the engine from TERSOR_ENGINE. */
export default defineConfig({
  server: { fs: { allow: ['..'] } },
  define: { 'process.env': { TERSOR_ENGINE: 'webgpu' } },
  resolve: {
    conditions: ['@tersor/source', 'browser', 'module', 'import', 'default'],
    alias: { '@tersor/backend-ort': new URL('./no-backend.ts', import.meta.url).pathname },
    dedupe: ['@tensorflow/tfjs-core'],
  },
  optimizeDeps: { include: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu', 'valibot', 'seedrandom'] },
  test: {
    globals: true,
    testTimeout: 120_000,
    setupFiles: ['./setup.ts'],
    dir: '..',
    include: process.env['TERSOR_BROWSER_TESTS']?.split(',') ?? [],
    browser: {
      enabled: true,
      headless: true,
      isolate: false,
      fileParallelism: false,
      screenshotFailures: false,
      provider: 'playwright',
      instances: [
        {
          browser: 'chromium',
          launch: {
            executablePath: process.env['TERSOR_CHROMIUM'] ?? '/usr/bin/chromium',
            args: ['--no-sandbox', '--disable-dev-shm-usage', '--enable-unsafe-webgpu', '--disable-background-networking'],
          },
        },
      ],
    },
  },
})
