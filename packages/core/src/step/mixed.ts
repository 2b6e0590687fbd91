import { definePass } from './define-method.js'
import { eachSite } from '../run/each-site.js'
import { sitesOf, type Site } from '../model/model.js'
import type { Method, Pass } from './method.js'
import { callText, recorded, values } from './options.js'
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
  methods: ({ methods }) => methods,
  run: (model, context, { methods }) => {
    const takers = methods.map(method => ({ method, takes: selects(method) }))
    const chosen = (site: Site) => takers.find(({ takes }) => takes(site))?.method
    const used = new Set(sitesOf(model).map(chosen))
    for (const method of methods.filter(each => !used.has(each)))
      context.emit({ type: 'warning', pass: 'mixed', message: `${callText(method)} takes nothing that those before it leave` })
    const pass = eachSite(chosen, { name: 'mixed', options: recorded({ methods }) })
    return pass.run(model, context)
  },
})

/** Rules in order: a site goes to the first that takes it. `rules(a, b)` is `mixed({ methods: [a, b] })`. */
export const rules = (...methods: readonly Method[]): Pass => mixed({ methods })
