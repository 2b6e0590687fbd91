/** Stands where a test imports the backend for Node, which a browser cannot run. */
export {}
