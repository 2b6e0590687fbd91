const MOST_IMAGES = 64
/** 64 images of 512 × 512. */
const MOST_PIXELS = 1 << 24

/** How many images of a size are computed with at once: large ones would fill the memory. */
export const imagesPerBatch = (height: number, width: number): number =>
  Math.max(1, Math.min(MOST_IMAGES, Math.floor(MOST_PIXELS / (height * width))))
