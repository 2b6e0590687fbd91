const { writeSync } = require('node:fs')

/** Ends a run with the plain count that CI reads, after all that other reporters print: "N passed, N failed, N skipped". */
module.exports = class CountReporter {
  onRunComplete(_contexts, results) {
    const crashed = results.numRuntimeErrorTestSuites
    const line = `${results.numPassedTests} passed, ${results.numFailedTests + crashed} failed, ${results.numPendingTests} skipped\n`
    process.once('exit', () => writeSync(1, line))
  }
}
