import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const sidebar = join(import.meta.dirname, 'sidebar.json')

export default {
  title: 'Tersor',
  description: 'Neural-network compression for TypeScript',
  base: process.env.TERSOR_SITE_BASE ?? '/',
  srcDir: 'pages',
  outDir: 'dist',
  cleanUrls: true,
  lastUpdated: false,
  // links are checked in what was built, with their anchors
  ignoreDeadLinks: true,
  srcExclude: ['public/**'],
  vite: { publicDir: join(import.meta.dirname, '../pages/public'), build: { chunkSizeWarningLimit: 4000 } },
  themeConfig: {
    nav: [
      { text: 'Guides', link: '/guides/transformers.js' },
      { text: 'Recipes', link: '/recipes' },
      { text: 'Command line', link: '/packages/tersor/' },
      { text: 'API', link: '/api/index.html', target: '_self' },
    ],
    sidebar: existsSync(sidebar) ? JSON.parse(readFileSync(sidebar, 'utf8')) : [],
    outline: { level: [2, 3] },
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: 'https://github.com/tersor/tersor' }],
    footer: { message: 'Apache-2.0' },
  },
}
