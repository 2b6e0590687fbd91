/** The test file of a page, as TypeScript. */
export declare const testsOf: (text: string) => string
/** A test file in TypeScript as one that Jest runs. */
export declare const compile: (source: string, filename: string) => { code: string; map?: string }
/** What Jest asks of a transform. */
export declare const process: (text: string, filename: string) => { code: string; map?: string }
