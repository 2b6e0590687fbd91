/** Puts the pages of the repository where VitePress takes them, with their links turned to pages of the site or to the repository. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import { gallery, measuredFor, sectionOf } from './sections.mjs'

const here = import.meta.dirname
const root = join(here, '..')
export const PAGES = join(here, 'pages')
const REPOSITORY = 'https://github.com/tersor/tersor'

const read = path => readFileSync(join(root, path), 'utf8')
const pagesIn = folder => (existsSync(join(root, folder)) ? readdirSync(join(root, folder)).filter(name => name.endsWith('.md')).map(name => `${folder}/${name}`) : []) // prettier-ignore
const folders = readdirSync(join(root, 'packages'))

/** Every page by its path in the repository. */
const SOURCES = [
  ...pagesIn('docs'),
  ...folders.flatMap(name => [`packages/${name}/README.md`, ...pagesIn(`packages/${name}/docs`)]),
  ...['examples/custom-method/README.md', 'examples/distributed/README.md', 'examples/bundled-model/README.md'],
  ...['benchmarks/README.md', 'benchmarks/claims/README.md', 'conformance/README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...pagesIn('site/guides'),
].filter(path => existsSync(join(root, path)))

/** Where a page of the repository stands on the site. */
const placeOf = path => path.replace(/^site\//, '').replace(/README\.md$/, 'index.md')
const PLACES = new Map([...SOURCES.map(path => [path, placeOf(path)]), ['README.md', 'index.md']])

/** A link of a page as the site has it: another page, a picture of its own, or a file of the repository. */
const linkFrom = (source, link, missing) => {
  if (/^([a-z]+:|#)/.test(link)) return link
  const [path, anchor] = link.split('#')
  const target = normalize(join(dirname(source), path)).replace(/\/$/, '')
  const page = [target, `site/${target}`, `${target}/README.md`].find(each => PLACES.has(each))
  if (page) return `/${PLACES.get(page).replace(/(index)?\.md$/, '')}${anchor ? `#${anchor}` : ''}`
  // pages that are made of others speak of places on the site
  const made = [target, target.replace(/^site\//, '')].find(each => [...PLACES.values()].includes(each))
  if (made) return `/${made.replace(/(index)?\.md$/, '')}`
  if (target.startsWith('docs/pictures/')) return `/${target.replace('docs/', '')}`
  if (!existsSync(join(root, target))) {
    missing.push(`${source}: ${link}`)
    return link
  }
  return `${REPOSITORY}/${statSync(join(root, target)).isDirectory() ? 'tree' : 'blob'}/main/${target}`
}

/** Runs over what is no code: fences and what stands between backquotes stay as they are. */
const outsideCode = (text, change) =>
  text
    .split(/(^```[\s\S]*?^```$|`[^`\n]+`)/m)
    .map((part, i) => (i % 2 === 1 ? part : change(part)))
    .join('')

const included = text =>
  text
    .replace(/<!-- readme: (.+?) -->/g, (_, heading) => sectionOf(read('README.md'), heading))
    .replace(/<!-- measured: (.+?) -->/g, (_, runtime) => measuredFor(runtime))

/** What is to be released, package by package: what no release has taken up yet. */
const changes = () => {
  const waiting = readdirSync(join(root, '.changeset')).filter(name => name.endsWith('.md') && name !== 'README.md')
  const entries = waiting.sort().map(name => {
    const [, names, text] = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(read(`.changeset/${name}`))
    return `${text.trim()}\n\n<small>${[...names.matchAll(/'([^']+)': (\w+)/g)].map(([, of, size]) => `${of} (${size})`).join(', ')}</small>`
  })
  return `${read('CHANGELOG.md').trim()}\n\n## Not released yet\n\n${entries.join('\n\n---\n\n')}\n`
}

/** A page as VitePress takes it: angle brackets and braces of text are no templates. */
const turned = (source, text, missing) => {
  const linked = included(text).replace(
    /(\]\()([^)\s]+)(\))/g,
    (_, open, link, close) => `${open}${linkFrom(source, link, missing)}${close}`,
  )
  return outsideCode(linked.replace(/<!--[\s\S]*?-->\n?/g, ''), part =>
    part.replace(/<(?!\/?(br|div|span|svg|img|small)\b)/g, '&lt;').replaceAll('{{', '&#123;&#123;'),
  )
}

const write = (place, text) => {
  const path = join(PAGES, place)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

const titleOf = (text, place) => /^# (.+)$/m.exec(text)?.[1] ?? basename(dirname(place))

/** The first sentence below the heading, for lists. */
const summaryOf = text =>
  (text.replace(/<!--[\s\S]*?-->/g, '').replace(/^---[\s\S]*?^---$/m, '').split(/\n\n+/).map(each => each.trim()).find(each => /^[A-Z*`]/.test(each)) ?? '') // prettier-ignore
    .replace(/\s+/g, ' ')
    .replace(/\[([^\]]+)\]\([^)]*\)/g, '$1')
    .replace(/(\. ).*$/, '.')

const HOME = `---
layout: home
hero:
  name: Tersor
  text: Smaller neural networks, in TypeScript
  tagline: From a model you have to a file that your runtime loads. In Node and in the browser, with nothing but npm.
  actions:
    - { theme: brand, text: Type this, link: '#type-this' }
    - { theme: alt, text: Recipes with figures, link: /recipes }
features:
  - { title: transformers.js, details: 'Graphs in q4, q4f16, q8 and fp16 in one folder', link: /guides/transformers.js }
  - { title: llama.cpp, details: 'GGUF in the mixtures that llama.cpp knows', link: /guides/llama.cpp }
  - { title: vLLM, details: 'compressed-tensors, GPTQ and AWQ folders', link: /guides/vllm }
  - { title: TensorFlow.js, details: 'model.json with bytes or halves', link: /guides/tfjs }
  - { title: ONNX Runtime, details: 'MatMulNBits, QDQ and static int8', link: /guides/onnxruntime }
  - { title: A method of your own, details: 'One file, suites that test it, and a bench beside the standard ones', link: /packages/create-tersor-method/ }
---
`

const group = (text, items, collapsed = true) => ({ text, collapsed, items })
const item = pages => place => ({ text: pages.find(page => page.place === place).title, link: `/${place.replace(/(index)?\.md$/, '')}` })

/** What stands on the left of every page. */
const sidebarOf = pages => {
  const of = pattern =>
    pages
      .map(({ place }) => place)
      .filter(place => pattern.test(place))
      .map(item(pages))
  const packages = folders.filter(name => pages.some(({ place }) => place === `packages/${name}/index.md`))
  return [
    group('Guides', [...of(/^guides\//), { text: 'Recipes', link: '/recipes' }], false),
    group('Command line', [...of(/^packages\/tersor\/index/), ...of(/^packages\/tersor\/docs\//), ...of(/^packages\/create-/)], false),
    group('Formats and engines', of(/^docs\/(?!design|packages)/)),
    ...packages
      .filter(name => !/tersor/.test(name))
      .map(name => group(`@tersor/${name}`, [...of(new RegExp(`^packages/${name}/index`)), ...of(new RegExp(`^packages/${name}/docs/`))])),
    group('About', [
      ...of(/^docs\/(design|packages)/),
      ...of(/^(benchmarks|conformance|examples|CONTRIBUTING|CHANGELOG)/),
      { text: 'API', link: '/api/index.html', target: '_self' },
    ]),
  ]
}

const llmsOf = pages =>
  [
    '# Tersor',
    '',
    '> Neural-network compression for TypeScript: pruning, quantization, low-rank factorization and distillation; writes for transformers.js, llama.cpp, vLLM, TensorFlow.js and ONNX Runtime.',
    '',
    ...[
      ['Guides', /^(guides\/|recipes)/],
      ['Command line', /^packages\/(create-)?tersor/],
      ['Packages', /^packages\/(?!(create-)?tersor)/],
      ['More', /^(?!packages|guides|recipes)/],
    ].flatMap(([title, pattern]) => [
      `## ${title}`,
      '',
      ...pages
        .filter(({ place }) => pattern.test(place))
        .map(({ place, title: name, summary }) => `- [${name}](/${place})${summary ? `: ${summary}` : ''}`),
      '',
    ]),
  ].join('\n')

/** Writes pages, sidebar, pictures and llms.txt; throws where a page links to what is not there. */
export const gather = async () => {
  rmSync(PAGES, { recursive: true, force: true })
  const missing = []
  const pages = []
  const add = (source, place, text, finish = page => page) => {
    const page = turned(source, text, missing)
    write(place, finish(page))
    pages.push({ place, title: titleOf(text, place).replace(/`/g, ''), summary: summaryOf(page) })
  }
  for (const source of SOURCES) add(source, PLACES.get(source), source === 'CHANGELOG.md' ? changes() : read(source))
  const { text, withPlot } = await gallery()
  add('README.md', 'recipes.md', text, withPlot)
  const readme = read('README.md')
  write(
    'index.md',
    `${HOME}\n<div class="vp-doc home">\n\n${turned('README.md', readme.slice(readme.indexOf('## Type this')), missing)}\n\n</div>\n`,
  )
  if (missing.length > 0) throw new Error(`Links that lead nowhere:\n${[...new Set(missing)].join('\n')}`)
  if (existsSync(join(root, 'docs/pictures'))) cpSync(join(root, 'docs/pictures'), join(PAGES, 'public/pictures'), { recursive: true })
  write('public/llms.txt', llmsOf(pages))
  // the pages as text, where llms.txt leads
  for (const { place } of pages)
    write(`public/${place}`, readFileSync(join(PAGES, place), 'utf8').replace(/<div class="(plot|bar)"[\s\S]*?<\/div>\n*/g, ''))
  writeFileSync(join(here, '.vitepress/sidebar.json'), JSON.stringify(sidebarOf(pages), null, 2))
  return pages.map(({ place }) => place)
}
