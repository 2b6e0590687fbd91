import { definePass } from './define-method.js'
import { eachSite } from '../run/each-site.js'
import type { Method } from './method.js'
import { values, recorded } from './options.js'
import { selects } from '../model/select-sites.js'

const isMethod = (given: object): given is Method => (given as Partial<Method>).kind === 'method'

/**
 * Mixed precision: one walk in which each site gets the first method of a list that takes it, by its `only` and by what it accepts.
 * A method without `only` takes all sites but embeddings and the head, so it stands last. Weights: (out, in).
 * Throws BAD_OPTION, NOT_FOUND where no method takes a site, COMPOSITION where a shared weight would get two methods.
 */
export const mixed = definePass({
  name: 'mixed',
  summary: 'gives each site the first of several methods that takes it',
  options: { methods: values<Method>({ of: 'method', is: isMethod, doc: 'tried in order; `only` says where each works' }) },
  run: (model, context, { methods }) => {
    const rules = methods.map(method => ({ method, takes: selects(method) }))
    const pass = eachSite(site => rules.find(({ takes }) => takes(site))?.method, { name: 'mixed', options: recorded({ methods }) })
    return pass.run(model, context)
  },
})
