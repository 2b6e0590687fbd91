/** A word as shells take it; double quotes work in all of them. */
export const quoted = (text: string): string => (/^[\w./:@=,+-]+$/.test(text) ? text : `"${text.replace(/["\\$`]/g, '\\$&')}"`)
