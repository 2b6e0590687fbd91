/** A fence of a page, under the last heading before it. */
export interface Fence {
  readonly heading: string
  readonly language: string
  readonly text: string
}

/** All fences of a page, in order. */
export const fencesOf = (page: string): readonly Fence[] => {
  let heading = ''
  return [...page.matchAll(/^#+ (.+)$|^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm)].flatMap(([, title, language, text]) => {
    if (title === undefined) return [{ heading, language, text }]
    heading = title
    return []
  })
}

/** Commands of a fence, those that go on behind a backslash as one. */
export const commandsOf = ({ text }: Fence): readonly string[] =>
  text
    .replace(/\\\n\s*/g, '')
    .trim()
    .split('\n')
