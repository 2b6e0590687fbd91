export { scratchFolder, type ScratchFolder, type ScratchOptions } from './scratch/scratch-folder.js'
