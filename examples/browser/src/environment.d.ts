/** Whether this copy of the page brings ONNX Runtime Web. */
declare const __WITH_RUNTIME__: boolean

/** Vite gives the address of a file. */
declare module '*?url' {
  const address: string
  export default address
}
