import { exportsOf, packagesWithDoors } from '../scripts/exports.js'

it.each(packagesWithDoors().map(({ folder, json }) => [json.name as string, folder, json] as const))(
  '%s has a door for each file that its index exports, and no other',
  (name, folder, json) => {
    if (JSON.stringify(json.exports) !== JSON.stringify(exportsOf(folder, name)))
      throw new Error(`Doors of ${name} differ: run npm run exports.`)
  },
)
