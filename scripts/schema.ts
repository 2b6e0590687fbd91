/** `npm run schema`: writes the JSON schema of configs, which editors complete by, from what steps say of themselves. */
import { writeFormatted } from '../benchmarks/speed/write-formatted.js'
import { fileURLToPath } from 'node:url'
import { configSchema } from '../packages/tersor/src/config-schema.js'

await writeFormatted(fileURLToPath(new URL('../packages/tersor/config.schema.json', import.meta.url)), JSON.stringify(configSchema()))
