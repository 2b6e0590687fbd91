/** `npm run schema`: writes the JSON schema of configs, which editors complete by, from what steps say of themselves. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { configSchema } from '../packages/tersor/src/config-schema.js'

writeFileSync(
  fileURLToPath(new URL('../packages/tersor/config.schema.json', import.meta.url)),
  `${JSON.stringify(configSchema(), null, 2)}\n`,
)
