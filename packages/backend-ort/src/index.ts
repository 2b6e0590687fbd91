import { loadNative } from './binding.js'
import { createEngine } from './engine.js'
import { register } from './register.js'

export { ORT_VERSION } from './binding.js'
export { capture } from './capture.js'
export type { Captured, CaptureOptions } from './capture.js'
export { BACKEND_NAME } from './register.js'
export { configure, flush, repeatably, statistics } from './control.js'
export type { Settings } from './settings.js'
export type { Statistics } from './engine.js'

const loaded = loadNative()
/** Why the backend could not be registered; undefined when it is. */
export const problem: string | undefined = loaded.problem
if (loaded.native === undefined) console.warn(loaded.problem)
else register(createEngine(loaded.native))
