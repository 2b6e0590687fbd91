import { main } from './packages/tersor/src/index.ts'
process.exit(await main(process.argv.slice(2)))
