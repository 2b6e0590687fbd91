/** The claim that what trees say is what the process gives back. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Claim } from '../training/claim.js'

const SCRIPT = fileURLToPath(new URL('process-memory.ts', import.meta.url))

const inProcess = async (form: string) => {
  const args = ['--expose-gc', '--import', 'tsx', '--conditions=@tersor/source', SCRIPT, form]
  const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: String(2 ** 20) } // glibc keeps what is freed below this for later, and grows it
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env })
  if (status !== 0) throw new Error(stderr)
  const { told, fell, grew, float } = JSON.parse(stdout) as Record<string, number>
  return { 'float megabytes': float, 'grew by': grew, 'trees fell by': told, 'process fell by': fell, apart: Math.abs(1 - fell / told) }
}

const MEGABYTES = { better: 'higher', digits: 1, tie: 0 } as const
const FORMS = ['half evicted', 'seven eighths evicted', 'int8', 'int4', 'KIVI 2 bits']

export const MEMORY: readonly Claim[] = [
  {
    name: 'memory',
    says: '16 layers of 8 heads of 64 over 4,096 positions: the process falls as the trees say, within 10 %, where the allocator gives back what is freed',
    figures: {
      ...{ 'float megabytes': MEGABYTES, 'grew by': MEGABYTES, 'trees fell by': MEGABYTES, 'process fell by': MEGABYTES },
      apart: { better: 'lower', digits: 3, tie: 0 },
    },
    sides: () => FORMS.map(form => ({ name: form, fixed: true, measure: () => inProcess(form) })),
    orders: FORMS.map(form => ({ figure: 'apart', first: form, than: 0.1 })),
  },
]
