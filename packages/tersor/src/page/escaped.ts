const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** A text as HTML holds it: names of files and tensors may be anything. */
export const escaped = (text: string): string => text.replace(/[&<>"']/g, character => ENTITIES[character])
