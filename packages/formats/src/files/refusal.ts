/** Why a parameter has no place in a format, and the step that would give it one. */
export interface Refusal {
  readonly reason: string
  readonly step: string
}

export const isRefusal = <T extends object>(result: T | Refusal): result is Refusal => 'reason' in result

/** A parameter that was told to have no place. */
export interface Refused extends Refusal {
  readonly name: string
}

/** Enough to see what is wrong. */
const LISTED = 5

/** What has no place in a format, the first few by name and reason. */
export const refusedText = (format: string, refused: readonly Refused[]): string => {
  const listed = refused.slice(0, LISTED).map(({ name, reason }) => `${name} ${reason}`)
  const more = refused.length > LISTED ? `; and ${refused.length - LISTED} more` : ''
  return `${format} has no place for ${refused.length} of the tensors: ${listed.join('; ')}${more}.`
}

/** The steps that would make it fit, each once. */
export const stepsText = (refused: readonly Refused[]): string => [...new Set(refused.map(({ step }) => step))].join(' ')
