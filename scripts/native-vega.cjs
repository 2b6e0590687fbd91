/**
 * Plots come as ES modules alone, with names that globals of the tests' contexts have, and wait for each other: Node itself loads them, outside
 * of those. What `import()` makes of a promise that says it is a module is the module.
 */
module.exports = Object.assign(globalThis.importNatively('vega'), { __esModule: true })
