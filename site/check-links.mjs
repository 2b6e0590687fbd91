/** Links of a site that was built and lead nowhere: pages, files and anchors. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

const filesIn = folder => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => statSync(join(folder, name)).isFile())

/** The file that a path of the site leads to. */
const fileOf = (dist, path) =>
  [path, `${path}.html`, join(path, 'index.html')].map(each => join(dist, each)).find(each => existsSync(each) && statSync(each).isFile())

const idsOf = html => new Set([...html.matchAll(/\s(?:id|name)="([^"]+)"/g)].map(([, id]) => id))

/** Each as "page → link". `base` is where the site stands, such as "/". */
export const deadLinks = (dist, base = '/') => {
  const dead = []
  const ids = new Map()
  const known = file => ids.get(file) ?? ids.set(file, idsOf(readFileSync(file, 'utf8'))).get(file)
  for (const page of filesIn(dist).filter(name => name.endsWith('.html') || name === 'llms.txt')) {
    const text = readFileSync(join(dist, page), 'utf8')
    const links = page.endsWith('.txt') ? [...text.matchAll(/\]\(([^)]+)\)/g)] : [...text.matchAll(/\s(?:href|src)="([^"]+)"/g)]
    for (const [, raw] of links) {
      const link = raw.replaceAll('&amp;', '&')
      if (/^([a-z]+:|\/\/)/i.test(link)) continue
      const [path, anchor] = link.split('#')
      const plain = decodeURI(path.split('?')[0])
      const target = plain === '' ? page : plain.startsWith('/') ? plain.slice(base.length) : normalize(join(dirname(page), plain))
      const file = fileOf(dist, target)
      if (!file) dead.push(`${page} → ${link}`)
      else if (anchor && file.endsWith('.html') && !known(file).has(decodeURIComponent(anchor))) dead.push(`${page} → ${link}`)
    }
  }
  return [...new Set(dead)]
}
