/** Vitest setup: the suites call describe, it and expect of the runner by their global names. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest'

Object.assign(globalThis, { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test })
