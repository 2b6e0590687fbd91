/** Placeholder until the transform of this package is written. */
module.exports = { process: () => ({ code: "it('has no example', () => {})" }) }
