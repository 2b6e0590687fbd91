export * from './main.js'
export * from './project.js'
export * from './project-request.js'
