/**
 * `npm run api`: writes what each package promises into its api.md, from the declarations that were built; with `-- --check` it fails where
 * that differs from what is there.
 */
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const QUIET = { default: { logLevel: ExtractorLogLevel.None } }

/** The declarations of a package as one text. */
const reportOf = (folder: string, name: string): string => {
  const made = mkdtempSync(join(tmpdir(), 'tersor-api-'))
  const packageJsonFullPath = join(folder, 'package.json')
  const configObject = {
    newlineKind: 'lf' as const,
    projectFolder: folder,
    mainEntryPointFilePath: join(folder, 'dist/index.d.ts'),
    compiler: { tsconfigFilePath: join(folder, 'tsconfig.json') },
    apiReport: { enabled: true, reportFileName: 'api', reportFolder: made, reportTempFolder: made },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    messages: { extractorMessageReporting: QUIET, tsdocMessageReporting: QUIET, compilerMessageReporting: QUIET },
  }
  const config = ExtractorConfig.prepare({ configObject, configObjectFullPath: undefined, packageJsonFullPath })
  Extractor.invoke(config, { localBuild: true, messageCallback: message => void (message.handled = true) })
  const report = readFileSync(join(made, 'api.api.md'), 'utf8')
  rmSync(made, { recursive: true })
  const code = report.match(/```ts\n([\s\S]*?)```/)![1]
  return `# What ${name} promises\n\nMade by \`npm run api\` from the declarations.\n\n\`\`\`ts no-test\n${code.trim()}\n\`\`\`\n`
}

const check = process.argv.includes('--check')
const changed: string[] = []
for (const each of readdirSync(join(ROOT, 'packages'))) {
  const folder = join(ROOT, 'packages', each)
  if (!existsSync(join(folder, 'dist/index.d.ts'))) continue
  const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name: string }
  const path = join(folder, 'api.md')
  const text = reportOf(folder, name)
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue
  changed.push(basename(folder))
  if (!check) writeFileSync(path, text)
}
if (changed.length > 0)
  console.log(`${check ? 'Promises changed; run npm run api and look at the difference' : 'Written'}: ${changed.join(', ')}`)
if (check && changed.length > 0) process.exitCode = 1
