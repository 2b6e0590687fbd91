import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import * as layers from '@tensorflow/tfjs-layers'
import { describeCouplings } from '@tersor/testing'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTfjsModel, type TfjsGraphModel } from '../model.js'
import { placeTfjs, smallGraph, smallLayers } from './coupled-tfjs.fixture.js'
import { IMAGE_GRAPH, imageLayers } from './image-networks.fixture.js'

let folder = ''
let graph: TfjsGraphModel
let layered: TfjsGraphModel
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-tfjs-suites-'))
  graph = await openTfjsModel(await placeTfjs(join(folder, 'graph'), smallGraph(IMAGE_GRAPH)))
  layered = await openTfjsModel(await placeTfjs(join(folder, 'layers'), smallLayers(imageLayers(layers))))
})
afterAll(async () => {
  await graph.close?.()
  await layered.close?.()
  await rm(folder, { recursive: true, force: true })
})

const input = () => tf.tidy(() => tf.sin(tf.reshape(tf.range(0, 2 * 192), [2, 8, 8, 3])))

describeCouplings('a graph of an image network', { make: () => graph, input })
describeCouplings('layers of an image network', { make: () => layered, input })
