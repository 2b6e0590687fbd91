/** Added to a score, it leaves nothing of it. */
export const HIDDEN_FROM_SIGHT = -1e30
