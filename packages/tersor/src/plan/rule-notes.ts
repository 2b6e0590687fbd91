import { matcher, sitesOf, type Model, type Patterns, type Step } from '@tersor/core'
import { nearestName } from '../nearest.js'
import { methodsIn } from './planned-tensors.js'

const listOf = (patterns: Patterns | undefined): readonly string[] =>
  patterns === undefined ? [] : typeof patterns === 'string' ? [patterns] : patterns

/** Parts of names between dots and slashes. */
const partsOf = (text: string): readonly string[] => text.split(/[./]/).filter(part => part !== '')

/** The pattern with its last part as a name that is near: "*.q_prj" → "*.q_proj"; undefined where none is, or it is no plain text. */
const nearPattern = (pattern: string, names: readonly string[]): string | undefined => {
  const parts = partsOf(pattern.replace(/^!/, ''))
  const known = [...new Set(names.flatMap(partsOf))]
  const odd = [...parts].reverse().find(part => !/[*?{}[\]()|]/.test(part) && !known.includes(part))
  const near = odd === undefined ? undefined : nearestName(odd, known)
  return near === undefined ? undefined : pattern.replace(odd!, near)
}

/** What is to be said of rules: patterns that match no site, and what was meant. */
export const ruleNotes = (model: Model, steps: readonly Step[]): readonly string[] => {
  const names = sitesOf(model).map(({ name }) => name)
  const told = steps.flatMap(methodsIn).flatMap(({ name, only, except }) =>
    (['only', 'except'] as const).flatMap(option =>
      listOf(option === 'only' ? only : except).flatMap(pattern => {
        const matches = matcher(pattern.replace(/^!/, ''))
        if (names.some(each => matches(each))) return []
        const near = nearPattern(pattern, names)
        return [`${name}: ${option} = "${pattern}" matches no site${near === undefined ? '' : `; did you mean "${near}"?`}`]
      }),
    ),
  )
  return [...new Set(told)]
}
