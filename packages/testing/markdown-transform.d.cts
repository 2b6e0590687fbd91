/** The test file of a page, as TypeScript. */
export declare const testsOf: (text: string) => string
/** What Jest asks of a transform. */
export declare const process: (text: string, filename: string) => { code: string; map?: string }
