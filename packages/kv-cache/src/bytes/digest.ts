/** FNV-1a of 32 bits, going on from the digest of what stands before: tells bytes that were changed, not those that were forged. */
export const digestOf = (bytes: Uint8Array, before = 0x811c9dc5): number => {
  let digest = before
  for (const byte of bytes) digest = Math.imul(digest ^ byte, 0x01000193)
  return digest >>> 0
}
