#!/usr/bin/env node
import nodeModule from 'node:module'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Tersor needs Node 20.19 or newer, and this is ${process.version}.\nInstall a newer one from https://nodejs.org.`)
  process.exit(1)
}
nodeModule.enableCompileCache?.() // Node 22 and newer start faster the second time
const { main } = await import('../dist/command-line.js')

process.exitCode = await main(process.argv.slice(2))
