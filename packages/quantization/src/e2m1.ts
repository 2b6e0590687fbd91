/** The largest 4-bit float. */
export const E2M1_LARGEST = 6
