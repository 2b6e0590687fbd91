import { defineConfig } from 'vite'

/** Shared memory, which threads need, is given only to pages that keep others out. */
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

/** The mode in which the page goes into the package `tersor`: without ONNX Runtime, 14 MB, so that outputs of graphs are not compared. */
const PACKED = 'packed'

export default defineConfig(({ mode }) => ({
  root: import.meta.dirname,
  base: './',
  define: { __WITH_RUNTIME__: JSON.stringify(mode !== PACKED) },
  resolve: {
    conditions: ['@tersor/source', 'browser', 'module', 'import', 'default'],
    dedupe: ['@tensorflow/tfjs-core'],
    alias: mode === PACKED ? [{ find: /^.*\/outputs\.js$/, replacement: `${import.meta.dirname}/src/no-outputs.ts` }] : [],
  },
  server: { headers },
  preview: { headers },
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    emptyOutDir: true,
    chunkSizeWarningLimit: 4096,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
}))
