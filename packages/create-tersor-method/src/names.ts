/** "sparse-gpt" as it is exported: "sparseGpt". */
export const camel = (name: string): string => name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/** An error of two lines: what was got, and what to do. */
export const refusal = (what: string, remedy: string): Error => new Error(`${what}\n${remedy}`)

/** Throws two lines where a name is none. */
export const checkName = (what: string, name: string): void => {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw refusal(`"${name}" is no name for a ${what}.`, 'Write it in small letters with dashes between words, such as sparse-gpt.')
}

/** A file, to be written as a whole. */
export interface Written {
  readonly path: string
  readonly text: string
}
