export { memoryFileSystem, type FileContent, type MemoryFileSystem } from './files/memory-file-system.js'
