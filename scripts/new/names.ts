export { camel, checkName, refusal, type Written } from '../../packages/create-tersor-method/src/names.js'
