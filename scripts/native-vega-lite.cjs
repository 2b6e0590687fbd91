/** As vega is loaded. */
module.exports = Object.assign(globalThis.importNatively('vega-lite'), { __esModule: true })
