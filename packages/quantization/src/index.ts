export * from './gptq.js'
export * from './grid.js'
export * from './rtn.js'
