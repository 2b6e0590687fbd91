import { exportsOf, packagesWithDoors } from '../scripts/exports.js'

it.each(packagesWithDoors().map(({ json, index }) => [json.name as string, json, index] as const))(
  '%s has a door for each file that its index exports, and no other',
  (name, json, index) => {
    if (JSON.stringify(json.exports) !== JSON.stringify(exportsOf(index, name)))
      throw new Error(`Doors of ${name} differ: run npm run exports.`)
  },
)
