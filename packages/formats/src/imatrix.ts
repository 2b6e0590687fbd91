export { openImatrix, MAX_IMATRIX_BYTES } from './gguf/imatrix/open.js'
export { importanceOf, type Imatrix, type ImatrixEntry } from './gguf/imatrix/imatrix.js'
export { writeImatrix, type ImatrixForm, type WriteImatrixOptions } from './gguf/imatrix/write.js'
