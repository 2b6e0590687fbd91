import { fraction, required } from '@tersor/core'
import { checkPromise, codecOption, defineExchange } from './define-exchange.js'
import { exchangeOf } from './exchange-of.js'
import { toldChanges } from './told-changes.js'

/**
 * EControl: EF21 with a controlled part of the error that was left out: Δᵢ = C(η eᵢ + gᵢ − hᵢ), eᵢ ← eᵢ + gᵢ − hᵢ − Δᵢ, hᵢ ← hᵢ + Δᵢ, and
 * all apply h ← h + mean Δ. η at most δ, the part of a gradient that the codec keeps; η = 0 is EF21. State: eᵢ, hᵢ, h (n each).
 * Throws BAD_OPTION; COMPOSITION for an unbiased codec. Gao et al. 2023, https://arxiv.org/abs/2311.05645
 */
export const eControl = defineExchange({
  name: 'e-control',
  summary: 'sends what gradients changed by, with a controlled part of what was left out',
  paper: { title: 'EControl: Fast Distributed Optimization with Compression and Error Control', authors: 'Gao et al.', year: 2023, url: 'https://arxiv.org/abs/2311.05645' }, // prettier-ignore
  differs: 'what all have told begins at 0 and not at a first gradient sent whole',
  options: {
    codec: required(codecOption<'exact' | 'contractive'>('what makes changes small enough to be sent, exact or contractive')),
    control: required(
      fraction({ doc: 'part of what was left out that is added, at most what the codec keeps of a gradient', inclusive: true }),
    ),
  },
  make: (peers, { codec, control }, name) => {
    checkPromise('e-control', codec, ['exact', 'contractive'])
    return exchangeOf(peers, name, codec, toldChanges(control))
  },
})
