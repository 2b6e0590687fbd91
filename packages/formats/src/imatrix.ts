export { openImatrix, MAX_IMATRIX_BYTES } from './imatrix/open.js'
export { importanceOf, type Imatrix, type ImatrixEntry } from './imatrix/imatrix.js'
export { writeImatrix, type ImatrixForm, type WriteImatrixOptions } from './imatrix/write.js'
export { collectImatrix, type CollectOptions } from './imatrix/collect.js'
