/** GPT-2's alphabet: printable bytes stand for themselves, the others for characters from 256 on. */
const isPrintable = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174

const alphabet = (): readonly string[] => {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++))
}

const CHARACTERS = alphabet()

/** Text as ByteLevel tokenizers spell it: " a" → "Ġa". */
export const toByteLevel = (text: string): string => Array.from(new TextEncoder().encode(text), byte => CHARACTERS[byte]).join('')
