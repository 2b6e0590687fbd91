import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { json, run } from './command.fixture.js'
import { scene } from './scene.fixture.js'
