import { defineConfig } from 'vite'

/** Shared memory, which threads need, is given only to pages that keep others out. */
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

/** Without ONNX Runtime, 14 MB, where the page goes into the package `tersor`: outputs of graphs are not compared there. */
const withRuntime = process.env.TERSOR_PAGE !== 'packed'

export default defineConfig({
  root: import.meta.dirname,
  base: './',
  define: { __WITH_RUNTIME__: JSON.stringify(withRuntime) },
  resolve: { conditions: ['@tersor/source', 'browser', 'module', 'import', 'default'], dedupe: ['@tensorflow/tfjs-core'] },
  server: { headers },
  preview: { headers },
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    outDir: process.env.TERSOR_PAGE_OUT ?? 'dist',
    emptyOutDir: true,
    chunkSizeWarningLimit: 4096,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
})
