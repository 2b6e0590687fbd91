const files = require('node:fs/promises')
const vm = require('node:vm')
const Environment = require('../packages/testing/jest-environment.cjs')

/** Jest compiles each module anew for each test file; what V8 has found out about its text stays for the files behind. */
const compiled = new Map()
const { compileFunction } = vm
vm.compileFunction = (text, parameters, options) => {
  const known = compiled.get(options.filename)
  if (known?.text === text) return compileFunction(text, parameters, { ...options, cachedData: known.data })
  const made = compileFunction(text, parameters, { ...options, produceCachedData: true })
  if (made.cachedData) compiled.set(options.filename, { text, data: made.cachedData })
  return made
}

/** The environment of @tersor/testing, in which a file that a test opens and leaves open fails the test's file: Node will throw for it one day. */
module.exports = class ClosedFilesEnvironment extends Environment {
  constructor(config, context) {
    super(config, context)
    const { open } = files
    const opened = []
    files.open = async (path, ...rest) => {
      const file = await open(path, ...rest)
      opened.push({ file, path })
      return file
    }
    this.global.importNatively = new Function('name', 'return import(name)') // for scripts/native-*.cjs; as text, since Jest makes require of it
    this.endFiles = async () => {
      files.open = open
      const left = opened.filter(({ file }) => file.fd >= 0)
      for (const { file } of left) await file.close()
      if (left.length > 0)
        throw new Error(`Left open:\n${left.map(({ path }) => path).join('\n')}\nClose the store or the model that reads it.`)
    }
  }

  async teardown() {
    await super.teardown()
    await this.endFiles()
  }
}
