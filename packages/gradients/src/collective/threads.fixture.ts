/** Starts threads of the worker that processes run too. */
import { launchThreads } from './threads.js'

/** Threads do not take what Node was started with to read TypeScript. */
const [tsx, worker] = [import.meta.resolve('tsx/esm/api'), new URL('worker.fixture.ts', import.meta.url)]
const code = `import { register } from '${tsx}'; register(); await import('${worker}')`

const codes = await launchThreads({
  size: 3,
  script: new URL(`data:text/javascript,${encodeURIComponent(code)}`),
  capacity: 2 ** 16,
  data: process.argv.slice(2),
})
console.log(JSON.stringify({ codes: codes.join() }))
