import { getKernel, registerKernel, unregisterKernel, type KernelFunc } from '@tensorflow/tfjs-core'

/** A kernel, and the one in whose place it stands. */
export type Replaced = KernelFunc & { readonly own: KernelFunc }

/** Puts a kernel made of a backend's own in its place; nothing where the backend has none, or it is done already. */
export const replaceKernel = (name: string, backend: string, make: (own: KernelFunc) => KernelFunc): void => {
  const known = getKernel(name, backend)
  if (!known || (known.kernelFunc as Partial<Replaced>).own) return
  const own = known.kernelFunc
  unregisterKernel(name, backend)
  registerKernel({ ...known, kernelFunc: Object.assign(make(own), { own }) })
}
