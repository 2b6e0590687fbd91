import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { exportsOf } from '../exports.js'
import { camel, checkName, refusal, type Written } from './names.js'
import { packageOf, withCore } from './package.js'
import { filesOf } from './step.js'

const USAGE = 'Write npm run new method pruning/owl, npm run new pass quantization/exact/foo or npm run new package sharing.'

const exportLine = (index: string, path: string): string => `${index.replace(/^export \{\}\n/, '')}export * from './${path}.js'\n`

/** The manifest of a package with the doors of its index. */
const withDoors = (text: string, index: string): string => {
  const manifest = JSON.parse(text) as { readonly name: string }
  return `${JSON.stringify({ ...manifest, exports: exportsOf(index, manifest.name) }, null, 2)}\n`
}

/** What is written for a request; nothing is written yet. Throws two lines where a name is none or is taken. */
export const planned = (root: string, kind: string, where: string): readonly Written[] => {
  const read = (path: string): string => readFileSync(join(root, path), 'utf8')
  const isThere = (path: string): boolean => existsSync(join(root, path))
  if (kind === 'package') {
    checkName('package', where)
    if (isThere(`packages/${where}`)) throw refusal(`packages/${where} is there already.`, `Add to it: npm run new method ${where}/<name>.`)
    return packageOf(where, read)
  }
  const [folder, ...rooms] = where.split('/')
  const name = rooms.pop() ?? ''
  if (kind !== 'method' && kind !== 'pass') throw refusal(`There is no "${kind}" to make.`, USAGE)
  checkName(kind, name)
  if (!isThere(`packages/${folder}/src/index.ts`))
    throw refusal(`There is no package "${folder}".`, `Make it first: npm run new package ${folder}.`)
  const index = `packages/${folder}/src/index.ts`
  rooms.forEach(room => checkName('room', room))
  const room = rooms.map(each => `${each}/`).join('')
  const own = filesOf(kind, folder, room, name)
  const taken = own.find(({ path }) => isThere(path))
  if (taken) throw refusal(`${taken.path} is there already.`, `Choose another name than "${name}".`)
  const exported = exportLine(read(index), `${room}${name}`)
  const manifest = `packages/${folder}/package.json`
  const others = withCore(folder, read)
  const standing = others.find(({ path }) => path === manifest)?.text ?? read(manifest)
  return [
    ...own,
    { path: index, text: exported },
    ...others.filter(({ path }) => path !== manifest),
    { path: manifest, text: withDoors(standing, exported) },
  ]
}

/** Makes a method, a pass or a package, and gives the paths that were written. */
export const make = (root: string, kind: string, where: string): readonly string[] => {
  const files = planned(root, kind, where)
  for (const { path, text } of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const link = join(root, 'node_modules/@tersor', where)
  if (kind === 'package' && existsSync(dirname(link)) && !existsSync(link)) symlinkSync(`../../packages/${where}`, link)
  return files.map(({ path }) => path)
}

/** What a person does next. */
export const nextSteps = (kind: string, where: string): string => {
  if (kind === 'package') return `Make its first method: npm run new method ${where}/<name>`
  const [folder, ...path] = where.split('/')
  return `Write ${camel(path.at(-1)!)} in packages/${folder}/src/${path.join('/')}.ts, then: npm run docs && npx jest packages/${folder}`
}
