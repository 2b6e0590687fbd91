/** A name that nobody has, like the one wanted. */
export const freeName = (name: string, taken: ReadonlySet<string>): string => {
  if (!taken.has(name)) return name
  for (let i = 1; ; i++) if (!taken.has(`${name}_${i}`)) return `${name}_${i}`
}
