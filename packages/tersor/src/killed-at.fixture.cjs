/**
 * Loaded by `--require` into a process that is to be killed: before change KILLED_AT of files, counted from 1, it kills itself as SIGKILL does.
 * A disk changes with them alone, so this is every moment at which a kill can leave something else. COUNTED names a file for their count.
 */
const { writeFileSync, promises } = require('node:fs')
const { syncBuiltinESMExports } = require('node:module')

const { KILLED_AT, COUNTED } = process.env
let changes = 0
const change = () => {
  if (++changes === Number(KILLED_AT)) process.kill(process.pid, 'SIGKILL')
}

const counting = (owner, name, isChange = () => true) => {
  const own = owner[name]
  owner[name] = function (...args) {
    if (isChange(...args)) change()
    return own.apply(this, args)
  }
}

for (const name of ['rename', 'rm', 'mkdir', 'rmdir']) counting(promises, name)
counting(promises, 'open', (_path, flags) => flags !== undefined && flags !== 'r')
syncBuiltinESMExports()
// the first file that is opened has the methods of all
void promises.open(__filename, 'r').then(async file => {
  for (const name of ['write', 'sync']) counting(Object.getPrototypeOf(file), name)
  await file.close()
})
if (COUNTED) process.once('exit', () => writeFileSync(COUNTED, String(changes)))
