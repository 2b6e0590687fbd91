#!/usr/bin/env node
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Tersor needs Node 20.19 or newer, and this is ${process.version}.\nInstall a newer one from https://nodejs.org.`)
  process.exit(1)
}
const { inProcess } = await import('../dist/main.js')

process.exitCode = await inProcess()
