import { camel } from './names.js'
import type { ProjectRequest } from './project-request.js'

/** The page of a new package. */
export const readmeOf = ({ name, kind, test }: ProjectRequest, runners: readonly string[]): string => `# tersor-${name}

A ${kind} for [Tersor](https://github.com/tersor/tersor): \`${camel(name)}\` in [src/${name}.ts](src/${name}.ts), and what it must keep in
[src/${name}.test.ts](src/${name}.test.ts).

    npm install
    npm run types && npm run lint && npm test

The tests run by ${test}; the suites of \`@tersor/testing\` also run by ${runners.filter(each => each !== test).join(' and ')}.

## Use it

    npx tersor compress MODEL --out DIR --step "./src/${name}.ts:${name}()"

Once it is published, as \`--step "tersor-${name}:${name}()"\`, or from code: \`import { ${camel(name)} } from 'tersor-${name}'\`.

## Measure it

    npm run bench -- --model MODEL --data TEXT

compares it with the steps of Tersor at the same bits: size, error, perplexity, divergence and seconds.
`
