/** Jest's global setup: what tests and examples of pages make in the system's folder for temporary files goes with the run. */
const { mkdtempSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

module.exports = () => {
  const folder = mkdtempSync(join(tmpdir(), 'tersor-tests-'))
  process.env.TMPDIR = process.env.TEMP = process.env.TMP = folder // workers are started with it
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
}
